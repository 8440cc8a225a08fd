// A witness of C2SP tlog-witness, of transparency-dev's libraries, which share no code with ours. It cosigns what
// continues the checkpoint that it has cosigned before, and remembers it until it ends.
//
// Usage: witness KEY, with the key of the log. It prints its address, and its own key for cosignatures.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	log "github.com/transparency-dev/formats/log"
	cosign "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

func must(err error) {
	if err != nil {
		fmt.Println("FAIL", err)
		os.Exit(1)
	}
}

type witness struct {
	sync.Mutex
	verifier note.Verifier
	signer   note.Signer
	last     log.Checkpoint
}

func (w *witness) add(answer http.ResponseWriter, request *http.Request) {
	w.Lock()
	defer w.Unlock()
	body, _ := io.ReadAll(request.Body)
	head, checkpoint, found := bytes.Cut(body, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	old, err := strconv.ParseUint(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if !found || err != nil || !strings.HasPrefix(lines[0], "old ") {
		http.Error(answer, "malformed", http.StatusBadRequest)
		return
	}
	tree, _, signed, err := log.ParseCheckpoint(checkpoint, w.verifier.Name(), w.verifier)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusForbidden)
		return
	}
	if old != w.last.Size {
		answer.Header().Set("Content-Type", "text/x.tlog.size")
		answer.WriteHeader(http.StatusConflict)
		fmt.Fprintf(answer, "%d\n", w.last.Size)
		return
	}
	var hashes [][]byte
	for _, line := range lines[1:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			http.Error(answer, "malformed", http.StatusBadRequest)
			return
		}
		hashes = append(hashes, hash)
	}
	err = proof.VerifyConsistency(rfc6962.DefaultHasher, old, tree.Size, hashes, w.last.Hash, tree.Hash)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	cosigned, err := note.Sign(&note.Note{Text: signed.Text}, w.signer)
	must(err)
	w.last = *tree
	answer.Write(cosigned[len(signed.Text)+1:])
}

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	must(err)
	secret, public, err := note.GenerateKey(rand.Reader, "witness.example/w1")
	must(err)
	signer, err := cosign.NewSignerForCosignatureV1(secret)
	must(err)
	key, err := cosign.VKeyToCosignatureV1(public)
	must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Printf("http://%s\n%s\n", listener.Addr(), key)
	server := &witness{verifier: verifier, signer: signer}
	http.HandleFunc("POST /add-checkpoint", server.add)
	must(http.Serve(listener, nil))
}
