package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (completionCmd) Help() string {
	return `Example:

    source <(demarc completion bash)
    demarc completion zsh > "${fpath[1]}/_demarc"
    demarc completion fish > ~/.config/fish/completions/demarc.fish`
}

func (cmd completionCmd) Run(s *streams, app *kong.Application) error {
	write := map[string]func(io.Writer, *kong.Application) error{
		"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion,
	}[cmd.Shell]
	return write(s.out, app)
}

// flagsOf lists the visible flags of a subcommand, --help among them.
func flagsOf(n *kong.Node) []*kong.Flag {
	var flags []*kong.Flag
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			if f.Name != "version" {
				flags = append(flags, f)
			}
		}
	}
	return flags
}

// wordsOf lists what a subcommand's arguments can only be; none means files.
func wordsOf(n *kong.Node) []string {
	if len(n.Positional) == 1 && n.Positional[0].Enum != "" {
		return n.Positional[0].EnumSlice()
	}
	return nil
}

func bashCompletion(w io.Writer, app *kong.Application) error {
	var names, cases []string
	for _, n := range app.Children {
		names = append(names, n.Name)
		var flags []string
		for _, f := range flagsOf(n) {
			flags = append(flags, "--"+f.Name)
		}
		cases = append(cases, fmt.Sprintf("    %s) flags=%q words=%q ;;\n", n.Name, strings.Join(flags, " "), strings.Join(wordsOf(n), " ")))
	}
	_, err := fmt.Fprintf(w, `# bash completion for demarc; load it with: source <(demarc completion bash)
_demarc() {
  local cur=${COMP_WORDS[COMP_CWORD]} flags= words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W %q -- "$cur"))
    return
  fi
  case ${COMP_WORDS[1]} in
%s  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  else
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}
complete -o filenames -F _demarc demarc
`, strings.Join(append(names, "--help", "--version"), " "), strings.Join(cases, ""))
	return err
}

func zshCompletion(w io.Writer, app *kong.Application) error {
	var names, cases []string
	for _, n := range app.Children {
		names = append(names, fmt.Sprintf("    %s\n", singleQuote(n.Name+":"+n.Help)))
		var specs []string
		for _, f := range flagsOf(n) {
			spec := "--" + f.Name + "[" + strings.NewReplacer("[", "(", "]", ")").Replace(f.Help) + "]"
			if !f.IsBool() {
				spec = "*" + strings.Replace(spec, "[", "=[", 1) + ":" + f.Name + ":_files"
			}
			specs = append(specs, singleQuote(spec))
		}
		rest := "*: :_files"
		if words := wordsOf(n); words != nil {
			rest = "1: :(" + strings.Join(words, " ") + ")"
		}
		cases = append(cases, fmt.Sprintf("    %s) _arguments %s %s ;;\n", n.Name, strings.Join(specs, " "), singleQuote(rest)))
	}
	_, err := fmt.Fprintf(w, `#compdef demarc
# zsh completion for demarc; put it into a directory of $fpath as _demarc
_demarc() {
  local -a commands=(
%s  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
%s  esac
}
if [ "$funcstack[1]" = "_demarc" ]; then _demarc "$@"; else compdef _demarc demarc; fi
`, strings.Join(names, ""), strings.Join(cases, ""))
	return err
}

// singleQuote quotes for zsh and fish alike, as none of the texts holds a backslash.
func singleQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func fishCompletion(w io.Writer, app *kong.Application) error {
	var b strings.Builder
	b.WriteString("# fish completion for demarc; put it into ~/.config/fish/completions/demarc.fish\n")
	for _, n := range app.Children {
		fmt.Fprintf(&b, "complete -c demarc -n __fish_use_subcommand -f -a %s -d %s\n", n.Name, singleQuote(n.Help))
		for _, f := range flagsOf(n) {
			value := ""
			if !f.IsBool() {
				value = " -r"
			}
			fmt.Fprintf(&b, "complete -c demarc -n '__fish_seen_subcommand_from %s' -l %s%s -d %s\n", n.Name, f.Name, value, singleQuote(f.Help))
		}
		if words := wordsOf(n); words != nil {
			fmt.Fprintf(&b, "complete -c demarc -n '__fish_seen_subcommand_from %s' -f -a %s\n", n.Name, singleQuote(strings.Join(words, " ")))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
