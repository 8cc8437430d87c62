package io.patchbay.lifecycle.internal;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSigner;
import java.security.GeneralSecurityException;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateParsingException;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.Manifest;

/**
 * Whether a jar is, whole and unchanged, what somebody signed whom this node trusts. The JDK checks digests and signatures as it reads; here is
 * decided what has to be signed and whose signature counts. Revocation lists are not asked: a node must be able to decide without a network.
 */
final class Signatures {
    private static final String CODE_SIGNING = "1.3.6.1.5.5.7.3.3";
    private static final String ANY_USE = "2.5.29.37.0";

    private final Path file;
    private final Set<TrustAnchor> anchors = new HashSet<>();

    private Signatures(Path file) {
        this.file = file;
    }

    /** @param file certificates that are trusted, PEM or DER; a file that is not there or holds none trusts nobody, and that is refused here */
    static Signatures trusting(String file) throws ChangeRefused {
        if (file.isEmpty()) {
            throw new ChangeRefused("this node takes only signed features (lifecycle.require-signatures) but trusts nobody yet; set lifecycle.trusted-certificates to a file of"
                    + " certificates");
        }
        Signatures s = new Signatures(Path.of(file));
        try (InputStream in = Files.newInputStream(s.file)) {
            for (Certificate c : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                s.anchors.add(new TrustAnchor((X509Certificate) c, null));
            }
        } catch (IOException | CertificateException e) {
            throw new ChangeRefused("the trusted certificates (lifecycle.trusted-certificates) can't be read from " + file + ": " + text(e), e);
        }
        if (s.anchors.isEmpty()) {
            throw new ChangeRefused("there is no certificate in " + file + " (lifecycle.trusted-certificates)");
        }
        return s;
    }

    /**
     * @param jar   in the store
     * @param shown the name by which the user knows it
     * @return whose signature it was, as in the certificate
     * @throws ChangeRefused what is wrong with it
     */
    String check(Path jar, String shown) throws ChangeRefused, IOException {
        Set<CodeSigner> all = null;
        try (JarFile file = new JarFile(jar.toFile(), true)) {
            Manifest manifest = file.getManifest();
            if (manifest == null) {
                throw new ChangeRefused(shown + " is not signed: it has no manifest");
            }
            int manifests = 0;
            for (JarEntry e : Collections.list(file.entries())) {
                manifests += e.getName().equalsIgnoreCase(JarFile.MANIFEST_NAME) ? 1 : 0;
                if (manifests > 1) {
                    throw new ChangeRefused(shown + " has two manifests, of which only one is signed");
                }
                if (e.isDirectory() || isSignature(e.getName())) {
                    continue;
                }
                // Signers are known once the entry has been read to its end.
                try (InputStream in = file.getInputStream(e)) {
                    in.transferTo(OutputStream.nullOutputStream());
                }
                CodeSigner[] signers = e.getCodeSigners();
                if (signers == null) {
                    throw new ChangeRefused(all == null ? shown + " is not signed; this node takes only signed features (lifecycle.require-signatures)"
                            : shown + ": " + e.getName() + " in it is not signed");
                }
                if (all == null) {
                    all = new HashSet<>(List.of(signers));
                } else {
                    all.retainAll(List.of(signers));
                }
            }
            for (String name : manifest.getEntries().keySet()) {
                if (file.getEntry(name) == null) {
                    throw new ChangeRefused(shown + " was changed after it was signed: " + name + " has been taken out of it");
                }
            }
        } catch (SecurityException e) {
            throw new ChangeRefused(shown + " was changed after it was signed: " + text(e), e);
        }
        if (all == null || all.isEmpty()) {
            throw new ChangeRefused(shown + " is not signed as a whole by anybody");
        }
        String reason = "";
        for (CodeSigner signer : all) {
            Optional<String> problem = problem(signer, shown);
            if (problem.isEmpty()) {
                return name(signer);
            }
            reason = problem.get();
        }
        throw new ChangeRefused(reason);
    }

    private static boolean isSignature(String name) {
        String upper = name.toUpperCase(Locale.ROOT);
        return upper.equals(JarFile.MANIFEST_NAME) || upper.matches("META-INF/([^/]+\\.(SF|RSA|DSA|EC)|SIG-[^/]+)");
    }

    private static String name(CodeSigner signer) {
        return leaf(signer).getSubjectX500Principal().getName();
    }

    private static X509Certificate leaf(CodeSigner signer) {
        return (X509Certificate) signer.getSignerCertPath().getCertificates().get(0);
    }

    private Optional<String> problem(CodeSigner signer, String shown) {
        X509Certificate leaf = leaf(signer);
        String who = shown + " is signed by " + name(signer);
        try {
            List<String> uses = leaf.getExtendedKeyUsage();
            if (uses != null && !uses.contains(CODE_SIGNING) && !uses.contains(ANY_USE)) {
                return Optional.of(who + ", whose certificate is not for signing code");
            }
        } catch (CertificateParsingException e) {
            return Optional.of(who + ", whose certificate is damaged: " + text(e));
        }
        // A timestamp says when it was signed; without one, what counts is now.
        Date when = signer.getTimestamp() == null ? new Date() : signer.getTimestamp().getTimestamp();
        if (when.after(leaf.getNotAfter())) {
            return Optional.of(who + ", whose certificate expired on " + leaf.getNotAfter().toInstant() + "; sign it again with a valid one");
        }
        if (when.before(leaf.getNotBefore())) {
            return Optional.of(who + ", whose certificate is not valid before " + leaf.getNotBefore().toInstant());
        }
        try {
            validate(signer.getSignerCertPath(), when);
            if (signer.getTimestamp() != null) {
                validate(signer.getTimestamp().getSignerCertPath(), when);
            }
            return Optional.empty();
        } catch (CertPathValidatorException e) {
            return Optional.of(e.getReason() == CertPathValidatorException.BasicReason.EXPIRED ? who + ", and a certificate between it and " + file + " has expired"
                    : who + ", for whom no certificate in " + file + " (lifecycle.trusted-certificates) vouches");
        } catch (GeneralSecurityException e) {
            return Optional.of(who + ", whose certificate can't be checked: " + text(e));
        }
    }

    private void validate(CertPath path, Date when) throws GeneralSecurityException {
        PKIXParameters p = new PKIXParameters(anchors);
        p.setRevocationEnabled(false);
        p.setDate(when);
        CertPathValidator.getInstance("PKIX").validate(withoutAnchor(path), p);
    }

    /** A chain may end with its root, which is an anchor and no link; but a self-signed signer that is trusted itself is both. */
    private CertPath withoutAnchor(CertPath path) throws CertificateException {
        List<? extends Certificate> all = path.getCertificates();
        Map<Certificate, Boolean> trusted = new HashMap<>();
        anchors.forEach(a -> trusted.put(a.getTrustedCert(), true));
        int n = 1;
        while (n < all.size() && !trusted.containsKey(all.get(n))) {
            n++;
        }
        return n == all.size() ? path : CertificateFactory.getInstance("X.509").generateCertPath(all.subList(0, n));
    }

    private static String text(Exception e) {
        return e.getMessage() == null ? e.toString() : e.getMessage();
    }
}
