# Copyright 2026 The Frond Authors
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./frond, ./format and ./check.

# Sets jdk to the home of an installed JDK 25, or to nothing. Starts no JVM: it reads the file "release" of each candidate.
find_jdk() {
    jdk=
    local on_path candidate line
    on_path=$(command -v java || true)
    if [[ -n $on_path ]]; then
        on_path=$(readlink -f -- "$on_path")
        on_path=${on_path%/bin/java}
    fi
    for candidate in "${JAVA_HOME:-}" "$on_path" "${JAVA25_HOME:-}" /usr/lib/jvm/*25* \
        "$HOME"/.sdkman/candidates/java/25* /Library/Java/JavaVirtualMachines/*25*/Contents/Home; do
        [[ -x $candidate/bin/java && -x $candidate/bin/javac && -r $candidate/release ]] || continue
        while IFS= read -r line; do
            if [[ $line == 'JAVA_VERSION="25"' || $line == 'JAVA_VERSION="25.'* ]]; then
                jdk=$candidate
                return
            fi
        done <"$candidate/release"
    done
}

# Says on standard error how to get a JDK 25.
explain_no_jdk() {
    echo "frond: no JDK 25 found (looked at JAVA_HOME, java on the PATH and /usr/lib/jvm)." >&2
    echo "frond: install the package openjdk-25-jdk-headless, or temurin-25-jdk from https://adoptium.net;" >&2
    echo "frond: or set JAVA_HOME to a JDK 25." >&2
}

# Says on standard error how to get Maven.
explain_no_maven() {
    echo "frond: mvn (Apache Maven 3.8 or later) is needed to build Frond; install the package maven." >&2
}
