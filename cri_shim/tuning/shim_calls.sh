#!/bin/sh
# Written by cri-shim when it starts, and replaced if it was changed. (docs/adr/0040)
#
# containerd runs this in place of containerd-shim-runc-v2. Two of its calls need no shim and are answered here, as the
# shim's program answers them; every other call is passed on to that program:
#
# start   of a container whose pod has a shim already: the answer is the address of that shim.
# delete  of a container that the OCI runtime had made and no longer knows: nothing is left to undo.
#
# The working directory is the bundle of the container, beside the bundles of all others. (containerd runtime/v2/README)
shim=containerd-shim-runc-v2
containers=@CONTAINERS@

call= id= namespace= containerd=
for word do
    case $call in
        -id) id=$word ;;
        -namespace) namespace=$word ;;
        -publish-binary) containerd=$word ;;
    esac
    call=$word
done

# Sets $program to the path by which containerd finds the program: the first on PATH, or the one beside containerd, which
# says where it is except when it asks for the shim's features.
find_program() {
    set -f
    IFS=:
    for directory in $PATH; do
        program=$directory/$shim
        case $directory in
            /*) [ -f "$program" ] && [ -x "$program" ] && return ;;
        esac
    done
    [ -n "$containerd" ] || containerd=$(readlink "/proc/$PPID/exe")
    program=${containerd%/*}/$shim
}

# Tells the daemon, which puts it in the place of the script's path in containerd's note.
leave_program() {
    [ -x "$program" ] && { printf %s "$program" >shim-calls-program; } 2>/dev/null
}

# Prints the first line of a file, whether or not a line feed ends it; fails without one.
first_line() {
    line=
    [ -f "$1" ] && { IFS= read -r line <"$1" || [ -n "$line" ]; }
}

# Succeeds if the shim of the sandbox can be named; then $line is the answer.
find_shim() {
    first_line "$containers/$id/sandbox" || return
    pod=../$line
    if first_line "$pod/address"; then
        [ -S "${line#unix://}" ] && printf %s "$line" >address
    elif first_line "$pod/bootstrap.json"; then
        socket=${line#*'"address":"unix://'}
        [ -S "${socket%%'"'*}" ]
    else
        return 1
    fi
}

# Succeeds if the runtime, which must be runc or crun, has made the container and has no state of it; then $pid is its
# process. Both write init.pid last: without it, one that has outlived its shim may be making the container now.
is_forgotten() {
    first_line init.pid || return
    pid=$line
    first_line options.json || return
    root=/run/containerd/runc
    case $line in
        *\\*) return 1 ;;
        *'"binary_name":"'*) name=${line#*'"binary_name":"'} name=${name%%'"'*} ;;
        *) name=runc ;;
    esac
    [ "${name##*/}" = crun ] || [ "$name" = runc ] || return
    case $line in
        *'"root":"'*) root=${line#*'"root":"'} root=${root%%'"'*} ;;
    esac
    [ -d "$root" ] && [ ! -e "$root/$namespace/$id" ]
}

varint() {
    rest=$1
    while [ "$rest" -gt 127 ]; do
        octal $((rest & 127 | 128))
        rest=$((rest >> 7))
    done
    octal "$rest"
}

octal() {
    bytes=$bytes\\$(($1 >> 6))$(($1 >> 3 & 7))$(($1 & 7))
}

# Prints a containerd.task.v2.DeleteResponse: pid, exit status 128 + SIGKILL, time of the exit.
print_deleted() {
    now=$(date +%s) || return
    bytes='\010'
    varint "$pid"
    bytes="$bytes"'\020\211\001\032\006\010'
    varint "$now"
    printf "$bytes"
}

[ -n "$namespace" ] && [ -n "$id" ] && case $call in
    start)
        find_program
        leave_program
        find_shim && printf %s "$line" && exit
        ;;
    delete) is_forgotten && print_deleted && exit ;;
esac
find_program
exec "$program" "$@"
