// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.host.HostException;
import dev.frond.host.KernelCalls;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What people are told where KVM is not to be had. */
class KvmSupportTest {
    @TempDir private Path directory;

    @Test
    void aMissingDeviceNamesTheModules() {
        assertThatThrownBy(() -> KvmSupport.open(KernelCalls.HOST, directory.resolve("kvm")))
                .isInstanceOf(HostException.class)
                .hasMessageContaining(
                        "ENOENT (No such file or directory); no KVM here; load it with"
                                + " 'modprobe kvm-intel' or 'modprobe kvm-amd'");
    }

    @Test
    void anotherDeviceIsNotTakenForKvm() {
        assertThatThrownBy(() -> KvmSupport.open(KernelCalls.HOST, Path.of("/dev/null")))
                .isInstanceOf(HostException.class)
                .hasMessageContaining("/dev/null: this is not the device of KVM");
    }

    @Test
    void aKvmInSoftwareIsKnownByItsModule() throws IOException {
        Path module = Files.createDirectory(directory.resolve("kvm_pvm"));
        assertThat(KvmSupport.limits(module))
                .hasValueSatisfying(why -> assertThat(why).contains("module kvm_pvm"));
        assertThat(KvmSupport.limits(directory.resolve("other"))).isEmpty();
    }
}
