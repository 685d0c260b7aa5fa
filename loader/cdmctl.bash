# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Completion of cdmctl for bash: source this, or put it where bash-completion
# looks. The words are cdmctl's own; a test compares them with its help.

_cdmctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local noun="" verb="" w words=""

	COMPREPLY=()
	for w in "${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
		case $w in
		-*)	;;
		*)	if [ -z "$noun" ]; then
				noun=$w
			elif [ -z "$verb" ]; then
				verb=$w
			fi ;;
		esac
	done

	case $prev in
	--to)
		words=$(ls -d /sys/devices/system/node/node* 2>/dev/null | sed 's/.*node//') ;;
	--node|-n)
		words="all $(ls /sys/kernel/mm/cdm/nodes 2>/dev/null)" ;;
	--kind|-k)
		words=$(ls /sys/kernel/tracing/events/cdm 2>/dev/null | sed -n 's/^cdm_//p') ;;
	--pattern|-P)
		words="sequential strided uniform zipf" ;;
	*)
		case "$noun $verb" in
		" ")		words="node policy page sim stat trace version --json --verbose --help" ;;
		"stat "*)	words="--interval --count --all $(ls /sys/kernel/mm/cdm/nodes 2>/dev/null) $(ls /sys/fs/bpf/cdm 2>/dev/null)" ;;
		"trace "*)	words="--pid --node --kind --count --seconds" ;;
		"node ")	words="list adopt release mode claim unclaim drain online evict watermarks targets" ;;
		"policy ")	words="load swap unload list show" ;;
		"page ")	words="move arm rmap" ;;
		"sim ")		words="list run replay convert" ;;
		"node list")	words="--all" ;;
		"node mode")	words="closed last-resort open $(ls /sys/kernel/mm/cdm/nodes 2>/dev/null)" ;;
		"node release"|"node online"|"node evict"|"node watermarks"|"node targets")	words=$(ls /sys/kernel/mm/cdm/nodes 2>/dev/null) ;;
		"node claim")	words="--for --timeout" ;;
		"node unclaim")	words=$(cut -d' ' -f1 /sys/kernel/mm/cdm/claims 2>/dev/null) ;;
		"node drain")	words="--timeout --to $(ls /sys/kernel/mm/cdm/nodes 2>/dev/null)" ;;
		"policy load")	words="--node --set --pin --wait --dry-run" ;;
		"policy swap")	words="--node --set --maps --keep-maps --dry-run" ;;
		"page move")	words="--pid --range --pfn --to --shared --any-policy --split --async --evict --arm --each" ;;
		"page arm")	words="--pid --range" ;;
		"sim replay")	words="--device $(compgen -f -- "$cur")" ;;
		"sim convert")	words=$(compgen -f -- "$cur") ;;
		"sim run")	words="--device --pattern --size --count --stride --write --seed --zipf-skew --repeat --cpu-first-touch --thp --no-thp --shared --hold --cache --check --counter-grain --counter-threshold --counter-batch --arm" ;;
		esac
		case "$noun $verb" in
		"policy swap"|"policy unload"|"policy show")
			words+=" $(ls /sys/fs/bpf/cdm 2>/dev/null)" ;;
		esac
		case "$noun $verb" in
		"policy load"|"policy swap")
			[[ $cur == -* ]] || mapfile -t COMPREPLY < <(compgen -f -X '!*.bpf.o' -- "$cur"; compgen -d -- "$cur") ;;
		esac ;;
	esac
	mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o filenames -F _cdmctl cdmctl
