# Copyright 2026 The Frond Authors
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by commands that are part of the tests of room cpu.

# Compiles what is needed and sets jdk and test_classes, the class path; the current folder is the project's.
compile_tests_of_cpu() {
    . tools/jdk.sh
    find_jdk
    [[ -n $jdk ]] || { explain_no_jdk; exit 70; }
    command -v mvn >/dev/null || { explain_no_maven; exit 70; }
    JAVA25_HOME=$jdk mvn -q -B -ntp -Pquick -pl cpu -am test-compile >&2
    local room
    test_classes=cpu/target/quick/test-classes
    for room in cpu machine host testkit; do
        test_classes+=:$room/target/quick/classes
    done
}
