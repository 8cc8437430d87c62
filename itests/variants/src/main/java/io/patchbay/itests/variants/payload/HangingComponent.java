package io.patchbay.itests.variants.payload;

import java.util.concurrent.CountDownLatch;

/** Put into jars as their only component: a version whose activation does not end by itself. */
public final class HangingComponent {
    /** Called by Declarative Services. */
    public HangingComponent() {
        try {
            new CountDownLatch(1).await();
        } catch (InterruptedException e) {
            throw new IllegalStateException("interrupted", e);
        }
    }
}
