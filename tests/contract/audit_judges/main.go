// Judges a log directory of C2SP tlog-tiles, its checkpoints and its proofs with libraries that share no code with ours:
// golang.org/x/mod/sumdb and transparency-dev. It prints a line for each thing that holds, and ends at the first that
// does not.
//
// Usage: judges DIRECTORY. The directory has: checkpoint, key, tile/...; older/N (checkpoints), consistency/N (a hash in
// base64 each line), proofs/N.tlog-proof.
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	formats "github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type tiles struct{ directory string }

func (t tiles) Height() int                     { return 8 }
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// C2SP paths have no height: it is always 8.
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		content, err := os.ReadFile(filepath.Join(t.directory, path))
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

func must(what string, err error) {
	if err != nil {
		fmt.Println("FAIL", what, err)
		os.Exit(1)
	}
	fmt.Println("ok", what)
}

func read(parts ...string) string {
	content, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		must("read", err)
	}
	return string(content)
}

func hash(text string) (found tlog.Hash) {
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(decoded) != tlog.HashSize {
		must("hash", fmt.Errorf("%q is no hash", text))
	}
	copy(found[:], decoded)
	return found
}

// opened returns the tree of a signed checkpoint, by two libraries that must agree.
func opened(text string, verifier note.Verifier) tlog.Tree {
	signed, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		must("note.Open", err)
	}
	lines := strings.Split(signed.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		must("size of the checkpoint", err)
	}
	tree := tlog.Tree{N: size, Hash: hash(lines[2])}
	parsed, _, _, err := formats.ParseCheckpoint([]byte(text), verifier.Name(), verifier)
	if err != nil || parsed.Size != uint64(size) || !bytes.Equal(parsed.Hash, tree.Hash[:]) {
		must("formats.ParseCheckpoint", fmt.Errorf("differs: %v", err))
	}
	return tree
}

func same(what string, ours, theirs []tlog.Hash, err error) {
	if err == nil && fmt.Sprint(ours) != fmt.Sprint(theirs) {
		err = fmt.Errorf("differs")
	}
	must(what, err)
}

func raw(hashes []tlog.Hash) [][]byte {
	var found [][]byte
	for _, each := range hashes {
		found = append(found, each[:])
	}
	return found
}

func hashes(lines []string) []tlog.Hash {
	var found []tlog.Hash
	for _, line := range lines {
		if line != "" {
			found = append(found, hash(line))
		}
	}
	return found
}

func main() {
	directory := os.Args[1]
	verifier, err := note.NewVerifier(strings.TrimSpace(read(directory, "key")))
	must("note.NewVerifier", err)
	tree := opened(read(directory, "checkpoint"), verifier)
	reader := tlog.TileHashReader(tree, tiles{directory})
	root, err := tlog.TreeHash(tree.N, reader)
	if err == nil && root != tree.Hash {
		err = fmt.Errorf("another root")
	}
	must(fmt.Sprintf("tlog.TreeHash of %d leaves from authenticated tiles", tree.N), err)
	bundles(directory, tree, reader)
	inclusion(directory, tree, reader, verifier)
	consistency(directory, tree, reader, verifier)
}

// bundles checks that the entries are those of the leaves, all of them.
func bundles(directory string, tree tlog.Tree, reader tlog.HashReader) {
	index := int64(0)
	for index < tree.N {
		tile := tlog.Tile{H: 8, L: -1, N: index / 256, W: int(min(256, tree.N-index))}
		path := strings.Replace(strings.Replace(tile.Path(), "tile/8/", "tile/", 1), "/data/", "/entries/", 1)
		content := []byte(read(directory, path))
		for _, leaf := range leaves(reader, index, tile.W) {
			if len(content) < 2 {
				must("tlog.RecordHash", fmt.Errorf("leaf %d is missing", index))
			}
			length := int(content[0])<<8 | int(content[1])
			if len(content) < 2+length || leaf != tlog.RecordHash(content[2:2+length]) {
				must("tlog.RecordHash", fmt.Errorf("leaf %d differs", index))
			}
			content = content[2+length:]
			index++
		}
		if len(content) > 0 {
			must("tlog.RecordHash", fmt.Errorf("more than %d leaves", index))
		}
	}
	must(fmt.Sprintf("tlog.RecordHash of %d entries", index), nil)
}

// leaves returns the hashes of so many leaves from the first on: together, as each call authenticates its tiles anew.
func leaves(reader tlog.HashReader, first int64, count int) []tlog.Hash {
	var indexes []int64
	for n := range int64(count) {
		indexes = append(indexes, tlog.StoredHashIndex(0, first+n))
	}
	found, err := reader.ReadHashes(indexes)
	if err != nil {
		must("tlog.RecordHash", err)
	}
	return found
}

func inclusion(directory string, tree tlog.Tree, reader tlog.HashReader, verifier note.Verifier) {
	files, _ := filepath.Glob(filepath.Join(directory, "proofs", "*.tlog-proof"))
	for _, file := range files {
		head, checkpoint, _ := strings.Cut(read(file), "\n\n")
		lines := strings.Split(head, "\n")
		entry, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
		index, _ := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
		of, ours := opened(checkpoint, verifier), hashes(lines[3:])
		leaf := tlog.RecordHash(entry)
		must(fmt.Sprintf("tlog.CheckRecord %d", index), tlog.CheckRecord(ours, of.N, of.Hash, index, leaf))
		must(fmt.Sprintf("proof.VerifyInclusion %d", index), proof.VerifyInclusion(
			rfc6962.DefaultHasher, uint64(index), uint64(of.N), leaf[:], raw(ours), of.Hash[:]))
		theirs, err := tlog.ProveRecord(of.N, index, reader)
		same(fmt.Sprintf("tlog.ProveRecord %d", index), ours, theirs, err)
		if tlog.CheckRecord(ours, of.N, of.Hash, index, tlog.RecordHash(append(entry, 0))) == nil {
			must("another entry", fmt.Errorf("is accepted"))
		}
	}
}

func consistency(directory string, tree tlog.Tree, reader tlog.HashReader, verifier note.Verifier) {
	files, _ := filepath.Glob(filepath.Join(directory, "older", "*"))
	for _, file := range files {
		older := opened(read(file), verifier)
		ours := hashes(strings.Split(read(directory, "consistency", filepath.Base(file)), "\n"))
		must(fmt.Sprintf("tlog.CheckTree %d", older.N), tlog.CheckTree(ours, tree.N, tree.Hash, older.N, older.Hash))
		must(fmt.Sprintf("proof.VerifyConsistency %d", older.N), proof.VerifyConsistency(
			rfc6962.DefaultHasher, uint64(older.N), uint64(tree.N), raw(ours), older.Hash[:], tree.Hash[:]))
		theirs, err := tlog.ProveTree(tree.N, older.N, reader)
		same(fmt.Sprintf("tlog.ProveTree %d", older.N), ours, theirs, err)
	}
}
