# Copyright 2026 The Frond Authors
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./frond and by the launcher of an image (tools/image).

# The same in training and in use: the JVM silently ignores an AOT cache that was made with other ones.
java_options=(
    --enable-native-access=dev.frond.host
    -XX:+UseSerialGC
    -XX:+UseCompactObjectHeaders
    # The compiler may rely on the operands of decoded instructions: they are final fields.
    -XX:+UnlockExperimentalVMOptions
    -XX:+TrustFinalNonStaticFields
    # Decoded code is a few MB and lives long; a large young generation would only be garbage kept.
    -Xms32m -Xmn16m
    # Standard output belongs to the guest.
    -Xlog:disable
    -Xlog:all=warning:stderr
)
main_module=dev.frond.cli/dev.frond.cli.Main

# An optimizing compiler pays where the guest's instructions are executed in Java; the translator emits code of its
# own, and code that is being profiled for that compiler costs more than it ever gives back.
interprets() {
    [[ ${1:-} == run || "${1:-} ${2:-}" == "guest get" ]] || return 1
    [[ $(uname -m) == x86_64 ]] || return 0
    local engine
    for engine in interpreter lockstep; do
        [[ " $* " != *" --engine $engine "* && " $* " != *" --engine=$engine "* ]] || return 0
    done
    return 1
}

# train JAVA CACHE KERNEL [OPTION...]: writes the AOT cache, the classes that one short run of a machine used, loaded and
# linked; prints what the run printed, the guest's word first.
train() {
    local java=$1 cache=$2 kernel=$3
    shift 3
    "$java" "${java_options[@]}" "$@" -XX:AOTCacheOutput="$cache" -m "$main_module" \
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
    interprets "$@" || options+=(-XX:TieredStopAtLevel=1)
    # shellcheck disable=SC2086 # several options
    exec "$java" "${java_options[@]}" "${options[@]}" -XX:AOTCache="$cache" ${FROND_JAVA_OPTIONS:-} -m "$main_module" "$@"
}
