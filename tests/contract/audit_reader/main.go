// Reads a log over HTTP with tessera's client, which shares no code with ours, and checks it. It prints a line for each
// thing that holds, and ends at the first that does not.
//
// Usage: reader URL KEY OLDER. OLDER is a file with a checkpoint that was kept; the log must continue it.
package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"
)

func must(what string, err error) {
	if err != nil {
		fmt.Println("FAIL", what, err)
		os.Exit(1)
	}
	fmt.Println("ok", what)
}

func main() {
	ctx := context.Background()
	address, err := url.Parse(os.Args[1])
	must("the address", err)
	verifier, err := note.NewVerifier(os.Args[2])
	must("the key", err)
	older, err := os.ReadFile(os.Args[3])
	must("the older checkpoint", err)
	log, err := client.NewHTTPFetcher(address, nil)
	must("the fetcher", err)

	follower, err := client.NewLogStateTracker(
		ctx, log.ReadTile, older, verifier, verifier.Name(), client.UnilateralConsensus(log.ReadCheckpoint))
	must("LogStateTracker", err)
	_, _, _, err = follower.Update(ctx)
	must("the log continues the older checkpoint", err)
	tree := follower.Latest()

	leaves, err := client.FetchLeafHashes(ctx, log.ReadTile, 0, tree.Size, tree.Size)
	must("the hashes of all leaves", err)
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	whole := factory.NewEmptyRange(0)
	for _, leaf := range leaves {
		if err := whole.Append(leaf, nil); err != nil {
			must("a leaf", err)
		}
	}
	root, err := whole.GetRootHash(nil)
	if err == nil && !bytes.Equal(root, tree.Hash) {
		err = fmt.Errorf("another root")
	}
	must(fmt.Sprintf("the root of %d leaves", len(leaves)), err)

	prover, err := client.NewProofBuilder(ctx, tree.Size, log.ReadTile)
	must("ProofBuilder", err)
	for index, leaf := range leaves {
		hashes, err := prover.InclusionProof(ctx, uint64(index))
		if err == nil {
			err = proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), tree.Size, leaf, hashes, tree.Hash)
		}
		if err != nil {
			must(fmt.Sprintf("leaf %d", index), err)
		}
	}
	must(fmt.Sprintf("proofs for %d leaves", len(leaves)), nil)
}
