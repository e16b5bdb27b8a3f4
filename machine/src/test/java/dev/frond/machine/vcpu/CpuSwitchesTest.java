// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import static dev.frond.machine.vcpu.CpuFeature.*;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.EnumSet;

/** A CPU model as text. */
class CpuSwitchesTest {
    @Test
    void aNameAloneIsTheModel() {
        for (CpuModel model : CpuModel.all()) {
            assertThat(CpuModel.parse(model.name())).isEqualTo(model);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "x86-64-v2,+avx,+avx2",
                "x86-64-v2,avx,avx2=on",
                "x86-64-v2,AVX=on,+AVX2",
                "x86-64-v2,-avx,+avx2,avx=on"
            })
    void featuresAreAdded(String text) {
        CpuModel model = CpuModel.parse(text);
        EnumSet<CpuFeature> expected = EnumSet.copyOf(CpuModel.X86_64_V2.features());
        expected.add(AVX);
        expected.add(AVX2);
        assertThat(model.features()).isEqualTo(expected);
        assertThat(model.name()).isEqualTo("x86-64-v2,avx=on,avx2=on");
        assertThat(model.brand()).isEqualTo(CpuModel.X86_64_V2.brand());
    }

    @Test
    void whatNeedsAFeatureGoesWithIt() {
        CpuModel model = CpuModel.parse("x86-64-v3,-xsave");
        assertThat(model.features())
                .doesNotContain(XSAVE, XSAVEOPT, XSAVEC, XSAVES, XGETBV1, AVX, AVX2, FMA, F16C)
                .contains(BMI2, SSE4_2);
        assertThat(CpuModel.parse("x86-64-v3,sse4_2=off").features()).doesNotContain(AVX2, AVX);
        assertThat(CpuModel.parse("EPYC,-hypervisor").features()).noneMatch(CpuFeature::isKvm);
    }

    @Test
    void kvmIsAllThatIsParavirtual() {
        CpuModel model = CpuModel.parse("Haswell,kvm=off");
        assertThat(model.features()).noneMatch(CpuFeature::isKvm).contains(HYPERVISOR);
        assertThat(model.name()).isEqualTo("Haswell,kvm=off");
        assertThat(CpuModel.parse("Haswell,kvm=off,kvm=on")).isEqualTo(CpuModel.HASWELL);
        assertThat(CpuModel.parse("Haswell,kvm=off,+kvmclock").features())
                .contains(KVM_CLOCKSOURCE, KVM_CLOCKSOURCE2)
                .doesNotContain(KVM_STEAL_TIME);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "x86-64-v3,kvm=off,-bmi2",
                "EPYC,-monitor,kvm-pv-eoi=off",
                "max,-la57,tsc_deadline=off",
                "Skylake-Client,-kvmclock",
                "Haswell,kvm=off,+kvmclock,+sse4a"
            })
    void theNameOfAModelIsATextThatDescribesIt(String text) {
        CpuModel model = CpuModel.parse(text);
        assertThat(CpuModel.parse(model.name())).isEqualTo(model);
        assertThat(model.name()).startsWith(text.substring(0, text.indexOf(',') + 1));
    }

    @Test
    void theNamesAreThoseThatQemuHas() {
        CpuModel model =
                CpuModel.parse(
                        "x86-64-v3,-pni,-lahf_lm,-abm,-invtsc,-tsc-adjust,-arat,-sha-ni,-pcid,-cx16");
        assertThat(model.features())
                .doesNotContain(
                        SSE3,
                        LAHF64,
                        ABM,
                        INVARIANT_TSC,
                        TSC_ADJUST,
                        ARAT,
                        SHA,
                        PCID,
                        INVPCID,
                        CX16);
        assertThat(CpuModel.parse("x86-64-v3,+3dnowprefetch").features()).contains(PREFETCHW);
    }

    @Test
    void onlyTheModelMaxIsMax() {
        assertThat(CpuModel.MAX.isMax()).isTrue();
        assertThat(CpuModel.parse("max,kvm=off").isMax()).isTrue();
        assertThat(CpuModel.X86_64_V3.isMax()).isFalse();
    }

    @ParameterizedTest
    @CsvSource({
        "i486, '''i486'' is not accepted; accepted: x86-64-v1'",
        "'', ''''' is not accepted; accepted: x86-64-v1'",
        "'EPYC,', ''''' is not accepted; accepted, with +, -, =on or =off: 3dnowprefetch, abm'",
        "'EPYC,+nope', '''+nope'' is not accepted; accepted, with'",
        "'EPYC,avx2=maybe', '''avx2=maybe'' is not accepted; accepted after =: on, off'",
        "'EPYC,-sse2', '''-sse2'' is not accepted: no machine works without it'",
        "'x86-64-v1,+avx2', '''avx2'' needs avx'",
        "'EPYC,+avx,-xsave,+avx', '''avx'' needs xsave'",
        "'x86-64-v2,-hypervisor,+kvmclock', '''kvmclock'' needs hypervisor'"
    })
    void whatIsWrongIsSaid(String text, String message) {
        assertThatThrownBy(() -> CpuModel.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(message)
                .message()
                .hasLineCount(1);
    }
}
