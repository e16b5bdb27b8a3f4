// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.platform.launcher.LauncherConstants;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * docs/instructions.md says what the instruction table and the tests say; {@code
 * -Dfrond.instructions.write=true} writes it.
 */
final class InstructionPageTest {
    private static final List<Class<?>> PROGRAMS =
            List.of(
                    DebugTest.class,
                    FarTransferTest.class,
                    FloatingPointStateTest.class,
                    InterruptDeliveryTest.class,
                    MonitorTest.class,
                    PagingTest.class,
                    SegmentRulesTest.class,
                    SystemInstructionsTest.class,
                    SystemManagementTest.class,
                    TaskSwitchTest.class,
                    Virtual8086Test.class);

    private static final Map<String, Set<String>> EXECUTED = new TreeMap<>();

    private final InstructionPage page = new InstructionPage(EXECUTED);

    @BeforeAll
    static void runThePrograms() {
        for (Class<?> program : PROGRAMS) {
            LauncherDiscoveryRequest request =
                    LauncherDiscoveryRequestBuilder.request()
                            .selectors(selectClass(program))
                            .configurationParameter(
                                    LauncherConstants.DEACTIVATE_LISTENERS_PATTERN_PROPERTY_NAME,
                                    "*")
                            .build();
            SummaryGeneratingListener summary = new SummaryGeneratingListener();
            Set<String> forms =
                    ExecutedForms.during(() -> LauncherFactory.create().execute(request, summary));
            assertThat(summary.getSummary().getTotalFailureCount()).as("%s", program).isZero();
            assertThat(summary.getSummary().getTestsSucceededCount())
                    .as("%s", program)
                    .isPositive();
            assertThat(forms).as("%s", program).isNotEmpty();
            EXECUTED.put(program.getSimpleName(), forms);
        }
    }

    @Test
    void whatSomeModelOffersIsProven() {
        assertThat(page.unproven()).isEmpty();
    }

    @Test
    void thePageIsUpToDate() throws IOException {
        Path file = Path.of("..", "docs", "instructions.md");
        String text = page.text();
        if (Boolean.getBoolean("frond.instructions.write")) {
            Files.writeString(file, text);
        }
        assertThat(Files.exists(file) ? Files.readString(file) : "")
                .as("docs/instructions.md is stale: run tools/instruction-page and commit it")
                .isEqualTo(text);
    }
}
