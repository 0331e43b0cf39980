# SPDX-License-Identifier: Apache-2.0
# bash completion for ringpost and ringpost-bench.  What can be completed is
# read from the programs' own --help, so it is never behind them.

# Help of a command, or of the program; without colours, never an error.
_ringpost_help() {
	"$@" --help 2>/dev/null </dev/null
}

# The first words of indented lines: "  serve   run ...", under a heading that
# matches $1, from standard input.
_ringpost_words() {
	awk -v heading="$1" '
		/^[^ ]/ { under = tolower($0) ~ heading; next }
		under && /^  [a-z]/ { print $1 }'
}

# All that begins with --.
_ringpost_options() {
	grep -oE -- '--[a-z][a-z0-9-]*' | sort -u
}

# "check|recover" of the usage.
_ringpost_alternatives() {
	sed -nE '1s/^[Uu]sage: [^ ]+ [^ ]+ ([a-z]+(\|[a-z]+)+)( .*)?$/\1/p' |
		tr '|' '\n'
}

# Words for what follows an option; fails when anything may.
_ringpost_value() {
	case $1 in
	--config | --ca | --socket | --ready-file | --ledger | --accepted | \
		--delivered | --plot | --certificate | --key)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$2")
		;;
	--dir)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$2")
		;;
	--by) mapfile -t COMPREPLY < <(compgen -W 'destination domain' -- "$2") ;;
	--state)
		mapfile -t COMPREPLY < <(
			compgen -W 'ready active deferred held' -- "$2")
		;;
	*) return 1 ;;
	esac
}

_ringpost() {
	local program=$1 word=$2 before=$3 words help
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		help=$(_ringpost_help "$program")
		words="$(_ringpost_words commands <<<"$help")
			$(_ringpost_options <<<"$help")"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		return
	fi
	! _ringpost_value "$before" "$word" || return 0
	case ${COMP_WORDS[1]} in
	help)
		words=$(_ringpost_help "$program" | _ringpost_words commands)
		;;
	[a-z]*)
		help=$(_ringpost_help "$program" "${COMP_WORDS[1]}")
		words=$(_ringpost_options <<<"$help")
		((COMP_CWORD > 2)) || words+="
			$(_ringpost_words actions <<<"$help")
			$(_ringpost_alternatives <<<"$help")"
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	# Folders of spools, names of files: where no option was begun.
	if [ -z "${COMPREPLY[*]}" ]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}

complete -F _ringpost ringpost ringpost-bench
