package io.patchbay.api.cni;

import java.util.Map;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Answers one call of the CNI executable (specification 1.1, sections 2 to 4); a service of the feature cni. Thread-safe: a runtime
 * calls for many pods at once. While there is none, the agent answers error 11 itself.
 */
@ProviderType
public interface CniHandler {
    /**
     * Runs one call to its end, on the caller's thread; at most about 50 s.
     *
     * @param environment the caller's variables, {@code CNI_COMMAND} among them
     * @param stdin       the network configuration as it came
     */
    Result handle(Map<String, String> environment, byte[] stdin);

    /**
     * @param exit   0, or 1 with an error object on standard output
     * @param stdout JSON, or "" where the specification wants nothing
     */
    record Result(int exit, String stdout) {
    }
}
