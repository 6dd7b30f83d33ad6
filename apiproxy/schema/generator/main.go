// Command generator writes the facts of the Kubernetes API that Rowhouse serves: types, resources, bootstrap objects
// and golden cases. Upstream's own packages are asked in process; what only a running server knows (discovery) is
// read from a folder of its answers. The script `generate` beside this file makes that folder and runs this command.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"

	_ "k8s.io/kubernetes/pkg/controlplane"
)

func main() {
	log.SetFlags(0)
	answers := flag.String("answers", "", "folder of a server's answers: aggregated discovery and resource lists")
	cases := flag.String("cases", "cases", "folder of the objects that golden cases are made of")
	table := flag.String("table", "../table", "folder the table is written to")
	golden := flag.String("golden", "../../resource/golden", "folder golden cases are written to")
	wire := flag.String("wire", "../../wire/golden", "folder golden encodings are written to")
	flag.Parse()

	server := readServer(*answers)
	kinds := collectKinds(server)
	types := collectTypes(kinds)
	writeKinds(filepath.Join(*table, "kinds.json"), kinds)
	writeTypes(filepath.Join(*table, "types.json"), types)
	writeResources(filepath.Join(*table, "resources.json"), server)
	writeRBAC(filepath.Join(*table, "rbac.json"))
	writePriorityClasses(filepath.Join(*table, "priority-classes.json"))
	writeGolden(*cases, *golden)
	writeWire(*wire, kinds)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func write(path string, content []byte) {
	check(os.MkdirAll(filepath.Dir(path), 0o755))
	check(os.WriteFile(path, content, 0o644))
}
