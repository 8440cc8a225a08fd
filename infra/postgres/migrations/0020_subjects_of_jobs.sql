-- The jobs with sealed fields by their subjects, for erase_jobs: erasures must not read all waiting jobs.
CREATE INDEX sealed_jobs ON jobs.procrastinate_jobs USING gin ((args -> 'subjects')) WITH (fastupdate = off)
    WHERE args ? 'sealed';
