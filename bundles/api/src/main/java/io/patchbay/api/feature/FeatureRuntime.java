package io.patchbay.api.feature;

import io.patchbay.api.datapath.MapHandle;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The permit to run, one service per enabled and accepted feature, with the service property {@link #FEATURE}. Components
 * of a feature have a mandatory reference to theirs:
 * {@code @Reference(target = "(patchbay.feature=policy)") FeatureRuntime runtime}. It is withdrawn when the feature is
 * disabled, and replaced when its configuration, version or maps change.
 */
@ProviderType
public interface FeatureRuntime {
    /** Service property: the feature's name. */
    String FEATURE = "patchbay.feature";

    String feature();

    String version();

    /** A map that the feature owns or uses. @throws io.patchbay.api.datapath.DatapathException when the descriptor names no such map */
    MapHandle map(String name);

    /** Effective configuration: shipped default, node file, cluster, operator, in rising order. Keys as in {@code config get}. */
    Map<String, String> config();

    /** The value of a key of type {@code duration}: {@code 500ms}, {@code 10s}, {@code 5m}, {@code 1h}. @throws IllegalArgumentException naming key and value when it is none */
    default Duration duration(String key) {
        String text = String.valueOf(config().get(key)).strip().toLowerCase(Locale.ROOT);
        if (!text.matches("\\d{1,9}(ms|s|m|h)")) {
            throw new IllegalArgumentException(feature() + "." + key + ": '" + text + "' is no duration: a whole number with ms, s, m or h");
        }
        return text.endsWith("ms") ? Duration.ofMillis(Long.parseLong(text.substring(0, text.length() - 2))) : Duration.parse("PT" + text);
    }

    /** A directory of the feature's own in the state directory; survives restarts. */
    Path stateDirectory();

    /** A new scope for one activation of one component; close it in deactivate. */
    Scope scope(String component);

    /**
     * Says that everything the feature's datapath needs is in its maps. An update waits for this before the switch, with a
     * deadline; after the first time it has no effect.
     */
    void ready();

    /**
     * Calls {@link #ready} once what is being written is there. While it fails it is asked again, each second for as long as the scope is open: a
     * failure that nobody comes back to leaves the feature without a word for good.
     *
     * @param filled begins or continues the writing, such as {@code reconciler::flush}
     */
    default void readyAfter(Supplier<? extends CompletableFuture<?>> filled, Scope scope) {
        filled.get().whenComplete((done, failure) -> {
            if (failure == null) {
                ready();
            } else {
                scope.later(Duration.ofSeconds(1), () -> readyAfter(filled, scope));
            }
        });
    }

    /** Says that the feature can't work now, with the reason for {@code feature list} and {@code status}. */
    void failed(String reason);

    /** Whether the feature is on its way out: it takes no new state, and calls {@link #drained} when what it has is gone. */
    default boolean draining() {
        return false;
    }

    /** Says that a draining feature has no state left. Its stages leave with the next generation. */
    default void drained() {
    }
}
