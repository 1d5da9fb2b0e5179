// Package internal_test holds what is true of all packages together: who imports whom, and habits of the house.
package internal_test

import (
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/demarc/demarc"

// mayImport is the whole table: a package of the module that is no key may not exist, and one that is may import
// only those packages of the module, and its tests these and the second list.
var mayImport = map[string]struct{ code, tests []string }{
	"internal/record":         {},
	"internal/yaml":           {},
	"internal/fence":          {},
	"internal/zstd":           {nil, []string{"internal/devbroker", "internal/fence"}},
	"internal/wire":           {[]string{"internal/record", "internal/zstd"}, []string{"internal/devbroker"}},
	"internal/devbroker":      {[]string{"internal/record"}, nil},
	"internal/devbroker/real": {[]string{"internal/devbroker"}, nil},
	"classifier":              {[]string{"internal/record", "internal/yaml"}, []string{"internal/devbroker", "internal/fence"}},
	"classifier/data/rebuild": {},
	"sinks":                   {[]string{"internal/record", "internal/wire"}, []string{"internal/devbroker", "internal/devbroker/real"}},
	"ledger":                  {[]string{"internal/record"}, []string{"ledger/writer"}},
	"ledger/writer":           {[]string{"ledger"}, nil},
	"ledger/relay": {
		[]string{"ledger", "ledger/writer", "internal/wire", "internal/record"},
		[]string{"ledger/tiles", "ledger/verify", "internal/devbroker", "internal/devbroker/real"},
	},
	"ledger/tiles":  {[]string{"ledger"}, []string{"ledger/writer"}}, // readers share no code with the writer
	"ledger/verify": {[]string{"ledger", "ledger/tiles", "internal/record"}, []string{"ledger/writer"}},
	"ledger/claim":  {[]string{"ledger", "ledger/share", "internal/record", "internal/yaml"}, []string{"ledger/writer"}},
	"ledger/report": {[]string{"ledger", "ledger/share"}, nil},
	"ledger/share":  {},
	"router": {
		[]string{"classifier", "sinks", "ledger", "internal/record", "internal/wire"},
		[]string{"ledger/writer", "internal/devbroker", "internal/devbroker/real"},
	},
	"router/recount": {
		[]string{"classifier", "sinks", "ledger", "ledger/tiles", "ledger/verify", "internal/record", "internal/wire"},
		[]string{"ledger/writer", "internal/devbroker"},
	},
	"internal/dashboard": {[]string{"router", "classifier", "sinks", "ledger/share", "internal/record"}, nil},
	"cmd/demarc": {
		[]string{
			"router", "router/recount", "classifier", "sinks",
			"ledger", "ledger/writer", "ledger/relay", "ledger/tiles", "ledger/verify", "ledger/claim", "ledger/report",
			"ledger/share", "internal/dashboard", "internal/record", "internal/wire", "internal/devbroker",
		},
		[]string{"internal/devbroker/real"},
	},
	"bench":               {[]string{"internal/devbroker", "internal/devbroker/real", "ledger/tiles", "internal/wire"}, nil},
	"bench/floor":         {[]string{"internal/wire"}, []string{"internal/devbroker"}},
	"bench/peers/franzgo": {},
	"bench/peers/kafkago": {},
}

// mayUseKfake are the only packages whose code outside tests may hold an embedded broker.
var mayUseKfake = []string{"internal/devbroker"}

type file struct {
	pkg, name string // folder and file, from the module's root
	test      bool
	ast       *ast.File
}

func (f file) String() string { return path.Join(f.pkg, f.name) }

// files parses every Go file that some build of the module can hold.
func files(t *testing.T) []file {
	t.Helper()
	var all []file
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != ".." && (strings.HasPrefix(name, ".") || name == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ParseComments)
		if err != nil || ignored(parsed) {
			return err
		}
		rel, err := filepath.Rel("..", filepath.Dir(p))
		all = append(all, file{filepath.ToSlash(rel), name, strings.HasSuffix(name, "_test.go"), parsed})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("found no Go file")
	}
	return all
}

// ignored reports whether a file is a program on its own, kept beside the data that it makes.
func ignored(f *ast.File) bool { return tagged(f, "ignore") }

// tagged reports whether a file is built only with a tag.
func tagged(f *ast.File, tag string) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if c.Pos() < f.Package && constraint.IsGoBuild(c.Text) && slices.Contains(strings.Fields(c.Text), tag) {
				return true
			}
		}
	}
	return false
}

func imports(f file) []string {
	var all []string
	for _, spec := range f.ast.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		all = append(all, name)
	}
	return all
}

func TestImportsGoOneWay(t *testing.T) {
	for _, f := range files(t) {
		if f.pkg == "internal" {
			continue // this test
		}
		table, known := mayImport[f.pkg]
		if !known {
			t.Errorf("%s: package %s is not in the table of the house", f, f.pkg)
			continue
		}
		for _, name := range imports(f) {
			own, ours := strings.CutPrefix(name, module+"/")
			if !ours || own == f.pkg || slices.Contains(table.code, own) || f.test && slices.Contains(table.tests, own) {
				continue
			}
			t.Errorf("%s: %s may not import %s", f, f.pkg, own)
		}
	}
}

func TestKfakeStaysInTheEmbeddedBroker(t *testing.T) {
	for _, f := range files(t) {
		if f.test || slices.Contains(mayUseKfake, f.pkg) {
			continue
		}
		for _, name := range imports(f) {
			if strings.HasPrefix(name, "github.com/twmb/franz-go/pkg/kfake") {
				t.Errorf("%s imports kfake", f)
			}
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, f := range files(t) {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", f)
			}
		}
	}
}

func TestEveryPackageHasOneDoc(t *testing.T) {
	docs := map[string][]string{}
	for _, f := range files(t) {
		if f.test {
			continue
		}
		docs[f.pkg] = append(docs[f.pkg], "")[:len(docs[f.pkg])]
		if f.ast.Doc != nil {
			docs[f.pkg] = append(docs[f.pkg], f.name)
		}
	}
	for pkg, names := range docs {
		if len(names) != 1 {
			t.Errorf("package %s is documented in %v, want one file", pkg, names)
		}
	}
}

// TestRealTestsAreRun: make test-real names packages, and tests by how their names begin.
func TestRealTestsAreRun(t *testing.T) {
	text, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range files(t) {
		if !f.test || !tagged(f.ast, "real") {
			continue
		}
		if !strings.Contains(string(text), "./"+f.pkg) {
			t.Errorf("%s: make test-real does not name its package", f)
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(fn.Name.Name, "Test") || fn.Name.Name == "TestMain" {
				continue
			}
			found++
			if f.pkg != "internal/devbroker/real" && !strings.HasPrefix(fn.Name.Name, "TestReal") {
				t.Errorf("%s: make test-real runs tests that begin with TestReal, not %s", f, fn.Name.Name)
			}
		}
	}
	if found == 0 {
		t.Error("found no test against real servers")
	}
}

func TestTheTableNamesNoForeignModule(t *testing.T) {
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "module "+module+"\n") {
		t.Errorf("go.mod does not say module %s", module)
	}
}
