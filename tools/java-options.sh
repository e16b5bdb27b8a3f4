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

# engine_for ARGUMENT...: prints the engine that a command line names, and where it names none the one that "auto" will probably
# mean; fails where no guest is to run.
engine_for() {
    [[ ${1:-} == run || "${1:-} ${2:-}" == "guest get" ]] || return 1
    local engine
    for engine in interpreter lockstep kvm translator; do
        if [[ " $* " == *" --engine $engine "* || " $* " == *" --engine=$engine "* ]]; then
            echo "$engine"
            return
        fi
    done
    if [[ $(uname -m) != x86_64 ]]; then
        echo interpreter
    elif [[ -w /dev/kvm && ! -e /sys/module/kvm_pvm ]]; then
        # As far as can be told from here; the command itself asks KVM more.
        echo kvm
    else
        echo translator
    fi
}

# options_for ENGINE: appends to "options" what the engine wants, "none" for no engine.
options_for() {
    case $1 in
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

# train ENGINE JAVA CACHE KERNEL [OPTION...]: writes an AOT cache, the classes that one run of a machine used, loaded and
# linked, and what the JVM learned of their methods. The kernel says "training".
train() {
    local engine=$1 java=$2 cache=$3 kernel=$4 options=() said
    shift 4
    options_for "$engine"
    said=$("$java" "${java_options[@]}" "${options[@]}" "$@" -XX:AOTCacheOutput="$cache" "${main[@]}" \
        run --engine "$engine" --kernel "$kernel" --memory 32M --stats --timeout 60s </dev/null) || return
    # What follows are the JVM's own lines about the cache.
    if [[ ${said%%$'\n'*} != training || ! -f $cache ]]; then
        echo "the training run said '$said', and the AOT cache is ${cache}" >&2
        return 70
    fi
}

# train_all JAVA FOLDER LOG [OPTION...]: writes the AOT caches of a folder that has the kernels: frond.aot, which knows the
# classes of the translator, of a start and of short commands, and frond-interpreter.aot.
train_all() {
    local java=$1 folder=$2 log=$3 other
    shift 3
    train interpreter "$java" "$folder/frond-interpreter.aot" "$folder/training-interpreter" "$@" 2>>"$log" &
    other=$!
    train auto "$java" "$folder/frond.aot" "$folder/training-kernel" "$@" 2>>"$log" || { wait "$other"; return 70; }
    wait "$other"
}

# run_java JAVA FOLDER [OPTION...] -- ARGUMENT...: becomes Frond, with the AOT caches of a folder.
run_java() {
    local java=$1 cache=$2/frond.aot options=() engine
    shift 2
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    shift
    engine=$(engine_for "$@") || engine=none
    options_for "$engine"
    case $engine in
        interpreter | lockstep) cache=${cache%.aot}-interpreter.aot ;;
    esac
    # shellcheck disable=SC2086 # several options
    exec "$java" "${java_options[@]}" "${options[@]}" -XX:AOTCache="$cache" ${FROND_JAVA_OPTIONS:-} "${main[@]}" "$@"
}
