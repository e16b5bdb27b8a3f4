# Copyright 2026 The Frond Authors
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./frond and by the launcher of an image (tools/image).

# The same in training and in use: the JVM silently ignores an AOT cache that was made with other ones.
java_options=(
    -XX:+UseSerialGC
    -XX:+UseCompactObjectHeaders
    # The compiler may rely on the operands of decoded instructions: they are final fields.
    -XX:+UnlockExperimentalVMOptions
    -XX:+TrustFinalNonStaticFields
    # Decoded code is a few MB and lives long: a young generation that fits in the processor's cache is the fastest.
    -Xms20m -Xmn4m
    # Standard output belongs to the guest.
    -Xlog:disable
    -Xlog:all=warning:stderr
)
main_module=dev.frond.cli/dev.frond.cli.Main
main=(--enable-native-access=dev.frond.host -m "$main_module")

# engine_of ARGUMENT...: prints the engine that a command line names, "auto" if none; fails where no guest is to run.
engine_of() {
    [[ ${1:-} == run || "${1:-} ${2:-}" == "guest get" ]] || return 1
    local engine
    for engine in interpreter lockstep kvm translator; do
        if [[ " $* " == *" --engine $engine "* || " $* " == *" --engine=$engine "* ]]; then
            echo "$engine"
            return
        fi
    done
    echo auto
}

# options_for ARGUMENT...: appends to "options" what the engine of a command line wants.
options_for() {
    local engine
    engine=$(engine_of "$@") || engine=none
    if [[ $engine == auto ]]; then
        if [[ $(uname -m) != x86_64 ]]; then
            engine=interpreter
        elif [[ -w /dev/kvm && ! -e /sys/module/kvm_pvm ]]; then
            # As far as can be told from here; the command itself asks KVM more.
            engine=kvm
        fi
    fi
    case $engine in
        interpreter | lockstep)
            # This collector lays decoded instructions out one behind the other as they are linked, and the processor
            # finds them in its caches; the serial one puts first nodes beside first nodes, second beside second.
            options+=(-XX:-UseSerialGC -XX:+UseParallelGC -XX:ParallelGCThreads=1)
            ;;
        kvm)
            # Each exit comes back to Java, many thousand times a second: an optimizing compiler pays.
            ;;
        *)
            # The translator emits code of its own: code that is being profiled for the optimizing compiler costs more
            # than it ever gives back.
            options+=(-XX:TieredStopAtLevel=1)
            ;;
    esac
}

# train JAVA CACHE KERNEL [OPTION...]: writes the AOT cache, the classes that one short run of a machine used, loaded and
# linked; prints what the run printed, the guest's word first.
train() {
    local java=$1 cache=$2 kernel=$3
    shift 3
    "$java" "${java_options[@]}" "$@" -XX:AOTCacheOutput="$cache" "${main[@]}" \
        run --kernel "$kernel" --memory 16M --stats --timeout 60s </dev/null
}

# run_java JAVA CACHE [OPTION...] -- ARGUMENT...: becomes Frond.
run_java() {
    local java=$1 cache=$2 options=()
    shift 2
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    shift
    options_for "$@"
    # shellcheck disable=SC2086 # several options
    exec "$java" "${java_options[@]}" "${options[@]}" -XX:AOTCache="$cache" ${FROND_JAVA_OPTIONS:-} "${main[@]}" "$@"
}
