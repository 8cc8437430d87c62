# Completion of patchbay in bash: source <(patchbay completion bash)
_patchbay() {
    local program=$1 options=() words=() i=1 last=${COMP_WORDS[COMP_CWORD]}
    # Which agent is meant; -n and --socket have a value of their own.
    while [ $i -lt "$COMP_CWORD" ]; do
        case ${COMP_WORDS[i]} in
            -n|--socket|--lab) options+=("${COMP_WORDS[i]}" "${COMP_WORDS[i+1]}"); i=$((i + 2)) ;;
            *) break ;;
        esac
    done
    [ $i -le "$COMP_CWORD" ] || return 0
    words=("${COMP_WORDS[@]:i:COMP_CWORD - i + 1}")
    local IFS=$'\n'
    COMPREPLY=($("$program" "${options[@]}" completion words -- "${words[@]}" 2>/dev/null))
    # What is no command or name of the agent's: the script's own commands, and files.
    if [ ${#words[@]} = 1 ]; then
        COMPREPLY+=($(compgen -W $'help\nlab\ntest\nbench\nbuild\ndoctor' -- "$last"))
    elif [ "${words[0]}" = lab ] && [ ${#words[@]} = 2 ]; then
        COMPREPLY+=($(compgen -W $'up\ndown\nstatus\nexec\napply\ndelete\nget\ncheck\nrestart' -- "$last"))
    fi
}
complete -o default -F _patchbay patchbay ./patchbay
