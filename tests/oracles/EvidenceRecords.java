import java.io.File;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.ers.ERSByteData;
import org.bouncycastle.tsp.ers.ERSData;
import org.bouncycastle.tsp.ers.ERSDataGroup;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;

/** What Bouncy Castle thinks of evidence records (RFC 4998).
 *
 * Each argument is a folder with `record.ers`, `signer.der` (who made the last stamp) and
 * `members/`. For each, a line: `sound`, or what was refused. */
public final class EvidenceRecords {
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
        BouncyCastleProvider provider = new BouncyCastleProvider();
        DigestCalculatorProvider digests =
            new JcaDigestCalculatorProviderBuilder().setProvider(provider).build();
        ERSEvidenceRecord record = new ERSEvidenceRecord(read(folder, "record.ers"), digests);
        // (1) The last stamp is its authority's; (2) each stamp covers the one before.
        X509CertificateHolder signer = new X509CertificateHolder(read(folder, "signer.der"));
        record.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider(provider).build(signer));
        // (3) The members, as one group, are what the first stamp of the newest chain covers.
        File[] files = new File(folder, "members").listFiles();
        Arrays.sort(files);
        List<ERSData> members = new ArrayList<>();
        for (File file : files) {
            members.add(new ERSByteData(Files.readAllBytes(file.toPath())));
        }
        Date now = signer.getNotAfter();
        record.validatePresent(new ERSDataGroup(members), now);
        for (ERSData member : members) {  // and each of them alone
            record.validatePresent(member, now);
        }
    }

    private static byte[] read(File folder, String name) throws Exception {
        return Files.readAllBytes(new File(folder, name).toPath());
    }
}
