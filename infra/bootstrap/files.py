"""The store of files: S3 if a bucket is set, else a folder of the data folder."""

from adapters.files.local_files import LocalFiles
from adapters.files.s3_files import S3Files
from application.ports import Files
from infra.settings.files import FileSettings
from infra.settings.installation import InstallationSettings

FILES_FOLDER = "files"
"""The folder of files, within the data folder."""


def open_files(files: FileSettings, installation: InstallationSettings) -> Files:
    """Return the store of files. It opens no connection before it is used."""
    bucket = files.bucket()
    return LocalFiles(installation.data_dir / FILES_FOLDER) if bucket is None else S3Files(bucket)
