package io.patchbay.agent.internal;

import io.patchbay.api.cni.CniHandler;
import java.util.Map;

/** Hands CNI calls to the cni feature, or says that it does not run. */
final class CniCalls {
    private CniCalls() {
    }

    static CniHandler.Result handle(CniHandler handler, Map<String, String> environment, byte[] stdin) {
        if (handler == null) {
            // Error 11: "try again later" (CNI specification 1.1, section "Error").
            return new CniHandler.Result(1, "{\"cniVersion\":\"1.0.0\",\"code\":11,\"msg\":\"try again later\","
                    + "\"details\":\"the feature cni does not run on this node: patchbay feature list\"}");
        }
        return handler.handle(environment, stdin);
    }
}
