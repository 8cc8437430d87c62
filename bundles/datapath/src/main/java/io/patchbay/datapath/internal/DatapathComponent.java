package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.datapath.EventSource;
import io.patchbay.api.datapath.KernelFeatures;
import io.patchbay.api.datapath.Pipeline;
import io.patchbay.api.metrics.MetricSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.osgi.annotation.bundle.Capability;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;

/**
 * Opens this node's datapath where the launcher says ({@code patchbay.pin.dir}, {@code patchbay.state.dir}) and offers it as
 * services. Stopping the bundle leaves the datapath as it is.
 */
@Component(immediate = true, service = {})
@Capability(namespace = "osgi.service", attribute = "objectClass:List<String>=\"io.patchbay.api.datapath.Pipeline\"")
@Capability(namespace = "osgi.service", attribute = "objectClass:List<String>=\"io.patchbay.api.datapath.Attachments\"")
@Capability(namespace = "osgi.service", attribute = "objectClass:List<String>=\"io.patchbay.api.datapath.EventSource\"")
@Capability(namespace = "osgi.service", attribute = "objectClass:List<String>=\"io.patchbay.api.datapath.KernelFeatures\"")
@Capability(namespace = "osgi.service", attribute = "objectClass:List<String>=\"io.patchbay.api.metrics.MetricSource\"")
public final class DatapathComponent {
    private final Node node;
    private final List<ServiceRegistration<?>> services = new ArrayList<>();

    @Activate
    public DatapathComponent(BundleContext context) {
        node = Node.open(Path.of(property(context, "patchbay.pin.dir")), Path.of(property(context, "patchbay.state.dir")));
        services.add(context.registerService(KernelFeatures.class, node.kernel(), null));
        services.add(context.registerService(Pipeline.class, node.pipeline(), null));
        services.add(context.registerService(Attachments.class, node.attachments(), null));
        services.add(context.registerService(EventSource.class, node.events(), null));
        services.add(context.registerService(MetricSource.class, node.metrics(), null));
    }

    private static String property(BundleContext context, String name) {
        String value = context.getProperty(name);
        if (value == null) {
            throw new IllegalStateException("the launcher did not set the framework property " + name);
        }
        return value;
    }

    @Deactivate
    void close() {
        services.forEach(ServiceRegistration::unregister);
        node.close();
    }
}
