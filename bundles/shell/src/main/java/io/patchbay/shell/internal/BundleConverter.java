package io.patchbay.shell.internal;

import java.util.Arrays;
import org.apache.felix.service.command.Converter;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;

/**
 * Lets Gogo's {@code stop 33} and {@code stop io.patchbay.policy} find their bundle. Felix has this in its own shells, which
 * would take the agent's standard input.
 */
@Component(service = Converter.class, property = "osgi.converter.classes=org.osgi.framework.Bundle")
public final class BundleConverter implements Converter {
    private final BundleContext system;

    @Activate
    public BundleConverter(BundleContext context) {
        this.system = context.getBundle(0).getBundleContext();
    }

    @Override
    public Object convert(Class<?> wanted, Object in) {
        if (wanted != Bundle.class) {
            return null;
        }
        String text = in.toString();
        if (text.matches("[0-9]{1,18}")) {
            return system.getBundle(Long.parseLong(text));
        }
        return Arrays.stream(system.getBundles()).filter(b -> text.equals(b.getSymbolicName())).findFirst().orElse(null);
    }

    @Override
    public CharSequence format(Object target, int level, Converter escape) {
        return level == LINE && target instanceof Bundle b ? b.getBundleId() + " " + b.getSymbolicName() + " " + b.getVersion() : null;
    }
}
