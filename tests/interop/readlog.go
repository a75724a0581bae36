// Readlog reads and verifies the log of a hub with the packages of the Go project for transparency logs, which nobody
// here has written: sumdb/note for the checkpoint, sumdb/tlog for tiles and proofs. It shares no code with the hub.
//
//	go run readlog.go -url http://127.0.0.1:8700 -vkey 'sachsen.de+…' [-old checkpoint-file] [-proof file -entry file]
//
// It verifies that every entry of every bundle is in the tree of the checkpoint, that the tree continues the one of an
// earlier checkpoint, and, with -proof, a c2sp.org/tlog-proof@v1. It prints what it has verified, one fact a line.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type tiles struct{ url string }

// path gives the address of a tile by C2SP tlog-tiles: as Go's own, without the height, which is always 8.
func path(t tlog.Tile) string {
	return strings.Replace(t.Path(), "tile/8/", "tile/", 1)
}

func (r tiles) Height() int { return height }

func (r tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, t := range wanted {
		body, err := get(r.url + "/" + path(t))
		if err != nil {
			return nil, err
		}
		data = append(data, body)
	}
	return data, nil
}

func (r tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// host is the name that the hub answers to; a test reaches it on another port.
var host string

func get(url string) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Host = host
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", url, answer.StatusCode)
	}
	return io.ReadAll(answer.Body)
}

// tree reads a checkpoint (C2SP tlog-checkpoint) that the key has signed.
func tree(data []byte, vkey string) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	check(err)
	opened, err := note.Open(data, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		log.Fatal("expected a checkpoint of the log that the key names")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	hash, err := tlog.ParseHash(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: hash}
}

func entries(data []byte) [][]byte {
	var found [][]byte
	for len(data) > 0 {
		length := int(binary.BigEndian.Uint16(data))
		found = append(found, data[2:2+length])
		data = data[2+length:]
	}
	return found
}

func verifyEntries(url string, head tlog.Tree, reader tlog.HashReader) {
	var index int64
	for index < head.N {
		bundle := tlog.Tile{H: height, L: 0, N: index >> height, W: 1 << height}
		if left := head.N - index; left < 1<<height {
			bundle.W = int(left)
		}
		data, err := get(url + "/" + strings.Replace(path(bundle), "tile/0/", "tile/entries/", 1))
		check(err)
		found := entries(data)
		if len(found) != bundle.W {
			log.Fatalf("expected %d entries in bundle %d, got %d", bundle.W, bundle.N, len(found))
		}
		for _, entry := range found {
			proof, err := tlog.ProveRecord(head.N, index, reader)
			check(err)
			check(tlog.CheckRecord(proof, head.N, head.Hash, index, tlog.RecordHash(entry)))
			index++
		}
	}
	fmt.Printf("included %d\n", index)
}

func verifyProof(text []byte, entry []byte, vkey string) {
	head, checkpoint, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		log.Fatal("expected a c2sp.org/tlog-proof@v1")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	check(err)
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		data, err := base64.StdEncoding.DecodeString(line)
		check(err)
		var hash tlog.Hash
		copy(hash[:], data)
		proof = append(proof, hash)
	}
	signed := tree(checkpoint, vkey)
	check(tlog.CheckRecord(proof, signed.N, signed.Hash, index, tlog.RecordHash(entry)))
	fmt.Printf("proved %d in %d\n", index, signed.N)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func read(name string) []byte {
	data, err := os.ReadFile(name)
	check(err)
	return data
}

func main() {
	log.SetFlags(0)
	url := flag.String("url", "", "address of the log")
	flag.StringVar(&host, "host", "", "Host header, when it is not that of the address")
	vkey := flag.String("vkey", "", "its verifier key")
	old := flag.String("old", "", "file with an earlier checkpoint")
	proof := flag.String("proof", "", "file with a proof")
	entry := flag.String("entry", "", "file with the entry of the proof")
	flag.Parse()

	data, err := get(*url + "/checkpoint")
	check(err)
	head := tree(data, *vkey)
	fmt.Printf("checkpoint %d\n", head.N)
	reader := tlog.TileHashReader(head, tiles{*url})
	verifyEntries(*url, head, reader)
	if *old != "" {
		earlier := tree(read(*old), *vkey)
		consistency, err := tlog.ProveTree(head.N, earlier.N, reader)
		check(err)
		check(tlog.CheckTree(consistency, head.N, head.Hash, earlier.N, earlier.Hash))
		fmt.Printf("consistent %d %d\n", earlier.N, head.N)
	}
	if *proof != "" {
		verifyProof(read(*proof), read(*entry), *vkey)
	}
}
