import java.io.File;
import java.nio.file.Files;
import java.security.MessageDigest;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.tsp.TimeStampRequest;
import org.bouncycastle.tsp.TimeStampResponse;
import org.bouncycastle.tsp.TimeStampToken;
import java.util.Arrays;
import java.util.Collection;

/** What Bouncy Castle thinks of SM2 timestamps and of the certificates that they rest on.
 *
 * Each argument is a folder with `request.tsq`, `answer.tsr`, `file` and `root.der`. For each, a
 * line: `sound`, or what was refused. */
public final class Sm2Tokens {
    private static final BouncyCastleProvider PROVIDER = new BouncyCastleProvider();

    public static void main(String[] folders) throws Exception {
        for (String folder : folders) {
            String answer;
            try {
                judge(new File(folder));
                answer = "sound";
            } catch (Exception refused) {
                answer = "refused: " + refused.getClass().getSimpleName() + ": " + refused.getMessage();
            }
            System.out.println(answer);
        }
    }

    private static void judge(File folder) throws Exception {
        TimeStampResponse answer = new TimeStampResponse(read(folder, "answer.tsr"));
        // (1) It answers the request: status, imprint, nonce, policy; ESSCertIDv2 is there.
        answer.validate(new TimeStampRequest(read(folder, "request.tsq")));
        TimeStampToken token = answer.getTimeStampToken();
        // (2) The imprint is the file's, by an SM3 that is Bouncy Castle's own.
        byte[] digest = MessageDigest.getInstance("SM3", PROVIDER).digest(read(folder, "file"));
        if (!Arrays.equals(digest, token.getTimeStampInfo().getMessageImprintDigest())) {
            throw new IllegalStateException("another imprint");
        }
        // (3) The token is signed by the enclosed certificate, for timestamps, valid then.
        @SuppressWarnings("unchecked")
        Collection<X509CertificateHolder> held = token.getCertificates().getMatches(token.getSID());
        X509CertificateHolder signer = held.iterator().next();
        token.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider(PROVIDER).build(signer));
        // (4) That certificate is signed by the root, and the root by itself.
        X509CertificateHolder root = new X509CertificateHolder(read(folder, "root.der"));
        for (X509CertificateHolder one : new X509CertificateHolder[] {signer, root}) {
            if (!one.isSignatureValid(
                    new JcaContentVerifierProviderBuilder().setProvider(PROVIDER).build(root))) {
                throw new IllegalStateException("a certificate that the root did not sign");
            }
        }
    }

    private static byte[] read(File folder, String name) throws Exception {
        return Files.readAllBytes(new File(folder, name).toPath());
    }
}
