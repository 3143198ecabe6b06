"""The sentences of the certificate, each in Chinese and in English, and nothing else.

They are kept together so that a lawyer can read them in one sitting. The rule for every one of
them: it claims no more than the papers prove, it says who vouches (the applicant 自述, this
platform 平台陈述, a signed token), and it promises no court's decision. The certificate always
carries both languages, which is why these are not in words/ (one catalogue per reader).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrase:
    """One sentence or label, twice. `filled` puts the same facts into both."""

    zh: str
    en: str

    def filled(self, **facts: object) -> "Phrase":
        return Phrase(self.zh.format(**facts), self.en.format(**facts))

    def value(self) -> dict[str, str]:
        return {"zh": self.zh, "en": self.en}


TITLE = Phrase("固证时间戳证书", "GUZHENG TIMESTAMP CERTIFICATE")
NUMBER = Phrase("证书编号", "Certificate no.")
LEAD = Phrase(
    "与下列数字指纹一致的文件，在 {at} 已经存在；此后任一字节的改动均可检出。",
    "Files that match the fingerprints below existed at {at}. "
    "A later change of even one byte can be detected.",
)

# The band: not before → not after.
NOT_BEFORE = Phrase("不早于", "NOT BEFORE")
NOT_AFTER = Phrase("不晚于", "NOT AFTER")
NO_LOWER_BOUND = Phrase("无独立的“不早于”依据", "No independent lower bound was established")
BOUND_BY_CONTENT = Phrase("见于内容之中：{source}", "contained in the content: {source}")
BOUND_BY_MANIFEST = Phrase("见于清单之中：{source}", "contained in the manifest: {source}")
BOUND_BY_RECORD = Phrase(
    "取证记录载明见证人此时已联署的账本检查点（{source}）；界定的是记录的写成时间",
    "the capture record names a checkpoint ({source}) cosigned at this time; it bounds when "
    "the record was written",
)
BY_SEAL = Phrase("依据：RFC 3161 时间戳", "by the RFC 3161 timestamp")

# Section heads.
EXHIBIT = Phrase("申请人与证据", "Applicant and exhibit")
WEB = Phrase("网页取证", "Web capture")
FINGERPRINTS = Phrase("数字指纹", "Fingerprints")
TIME = Phrase("时间", "Time")
ISSUE = Phrase("签发与账本", "Issue and ledger")
ANNEX = Phrase("附表：文件清单", "Annex: list of files")

# Labels and values of the first section.
APPLICANT = Phrase("申请人", "Applicant")
NOT_FILLED_IN = Phrase("未填写", "not filled in")
NOT_VERIFIED = Phrase(
    "未实名：申请人为自述，身份未经核验", "Claimed by the applicant; identity not verified"
)
VERIFIED_BY = {
    "review": Phrase(
        "实名：平台运营者于 {at} 人工核对身份材料后认定（平台陈述），适用于该账号",
        "Real name of the account, found by the platform's operator on {at} from papers of "
        "identity",
    ),
    "provider": Phrase(
        "实名：身份核验服务与登记信息比对一致，平台运营者于 {at} 据此并核对身份材料后认定，"
        "适用于该账号",
        "Real name of the account: a provider found that it agrees with the register, and the "
        "platform's operator found it from papers of identity as well, on {at}",
    ),
}
VERIFIED_WHO = Phrase("核验者：{by}", "Attested by: {by}")
USCC = Phrase("统一社会信用代码：{uscc}", "Unified social credit code: {uscc}")
CLAIMED_BESIDE = Phrase(
    "申请时另自述为：{claimed}（未经核验）", "Claimed besides: {claimed} (not verified)"
)
NAME = Phrase("证据名称", "Name, as claimed")
PURPOSE = Phrase("证明目的", "Purpose, as claimed")
KIND = Phrase("取证方式", "Manner")
KIND_DEPOSIT = Phrase(
    "文件由申请人提交；平台未见其产生过程",
    "Submitted by the applicant; this platform did not see how the files came to be",
)
KIND_HASH_ONLY = Phrase(
    "仅提交数字指纹；文件内容从未离开申请人，平台从未持有",
    "Fingerprints only: the content never left the applicant and was never held here",
)
KIND_WEB = Phrase(
    "由本平台的浏览器访问网页并保存；取证记录 capture.json 见附件",
    "Fetched and saved by this platform's browser; see the attached capture.json",
)
KIND_ATTEMPT = Phrase(
    "由本平台的浏览器尝试访问网页，未取得网页；取证记录 capture.json 见附件",
    "This platform's browser tried to open the page and did not get it; see the attached "
    "capture.json",
)
EXHIBIT_NUMBER = Phrase("证据编号", "Exhibit")
FILES = Phrase("文件", "Files")
FILE_COUNT = Phrase("共 {count} 个文件，合计 {size}", "{count} files in all")
SEE_ANNEX = Phrase("逐个列于附表", "each listed in the annex")
COLUMN_NUMBER = Phrase("序号", "No.")
COLUMN_FILE = Phrase(
    "文件名称、性质、大小与数字指纹", "Name, role, size, type and fingerprints"
)
ROLES = {
    "original": Phrase("原件", "original"),
    "derivative": Phrase("派生件", "derivative"),
}

# Web capture.
REQUESTED_URL = Phrase("请求网址", "Requested URL")
FINAL_URL = Phrase("最终网址", "Final URL")
RESPONSE = Phrase("响应与标题", "Response, title")
HTTP_STATUS = Phrase("HTTP 状态 {status}", "HTTP status {status}")
NO_STATUS = Phrase("无 HTTP 状态", "no HTTP status")
NOT_REACHED = Phrase("（未到达任何页面）", "(no page was reached)")
NO_TITLE = Phrase("（页面无标题）", "(no title)")
STARTED_FINISHED = Phrase("起止时间", "Started, finished")
BY_PLATFORM_CLOCK = Phrase("平台时钟，平台陈述", "by the platform's clock, as stated by it")
BROWSER = Phrase("浏览器与软件", "Browser, software")
SANDBOXES = {  # docs/spec/capture.md §4.2; what follows the word is the browser's own reason
    "namespace": Phrase(
        "浏览器沙箱：内核命名空间（最强的一种）",
        "browser's sandbox: the kernel's namespaces, its strongest form",
    ),
    "setuid": Phrase(
        "浏览器沙箱：setuid 辅助程序（次强）",
        "browser's sandbox: the setuid program, its second form",
    ),
    "off": Phrase("浏览器沙箱：未能启用", "browser's sandbox: off"),
}
PRIVATE_ADDRESSES = Phrase("开发设置", "Development setting")
PRIVATE_ALLOWED = Phrase(
    "注意：本次取证使用开发设置，允许访问内网地址 {ranges}；所取内容可能不来自公开互联网",
    "Caution: private addresses ({ranges}) were allowed; "
    "the content may not come from the public Internet",
)
NOTES = Phrase("取证备注", "Notes of the capture")
SCOPE = Phrase("注意", "Caution")
SCOPE_BECAUSE = Phrase("依据：{signs}", "by these signs: {signs}")
CONTROL = Phrase("对照页", "Control page")
CONTROL_EQUAL = Phrase(
    "同一浏览器在打开网页之前先打开了内容已知的对照页，所得内容、结构与画面均与已知者相同",
    "the same browser opened a page of known content just before; octets, document and picture "
    "were as they should be",
)
CONTROL_MISSING = Phrase(
    "对照页未能打开：无从判断本次取证的环境是否改动网页",
    "the control page could not be opened: whether this environment alters pages is not known",
)
CONTROL_DIFFERS = Phrase(
    "注意：同一浏览器在打开网页之前打开的对照页与已知内容不同；本次取证的环境可能改动了网页",
    "Caution: a page of known content, opened by the same browser just before, was not shown "
    "as it is; this environment may have altered the page",
)
CONTROLS = {"yes": CONTROL_EQUAL, "no": CONTROL_DIFFERS, "missing": CONTROL_MISSING}

# A capture that failed.
FAILED_TITLE = Phrase("取证失败证明", "CERTIFICATE OF A FAILED CAPTURE")
FAILED_LEAD = Phrase(
    "本平台尝试访问下列网址，未取得网页。记录该次尝试的文书在 {at} 已经存在；"
    "此后任一字节的改动均可检出。",
    "This platform tried to open the URL below and did not get a page. The record of that "
    "attempt existed at {at}; a later change of even one byte can be detected.",
)
FAILED_SECTION = Phrase("访问尝试", "The attempt")
FAILED_BECAUSE = Phrase("未取得的原因", "Why there is no page")
FAILED_FOUND = Phrase("当时所见", "What was met")
FAILED_AT = Phrase("停止于网址", "Where it ended")
CONNECTION = Phrase("连接", "Connection")
NO_CONNECTION = Phrase("没有发出任何连接", "no connection was made")
NO_ANSWERS = Phrase("（无）", "(none)")
NO_BROWSER = Phrase("（浏览器未启动）", "(no browser was started)")
NO_FILES = Phrase("无：没有取得网页", "none: no page was got")
RESOLVED = Phrase("域名解析：{answers}", "the name resolved to: {answers}")
NOT_A_NAME = Phrase(
    "网址直接使用 IP 地址，没有域名解析", "the URL has an IP address: no name was resolved"
)
OUTCOMES = {
    "connected": Phrase("已连接", "connected"),
    "open": Phrase("尚未结束", "not ended"),
    "refused-address": Phrase(
        "平台拒绝连接该地址", "this platform refused to contact that address"
    ),
    "refused-browser-noise": Phrase(
        "平台拒绝：浏览器自身的调用", "refused here: a call of the browser's own"
    ),
    "refused-limit": Phrase("平台拒绝：已达上限", "refused here: a limit was reached"),
    "not-resolved": Phrase("域名没有解析到地址", "the name did not resolve"),
    "not-connected": Phrase("对方没有接受连接", "no connection was accepted"),
    "timed-out": Phrase("在时限内没有答复", "no answer in time"),
}
FAILED_PROVES = Phrase(
    "与所列指纹一致的取证记录，在签发时间已经存在，此后逐字节未变。",
    "A record of the attempt that matches the fingerprints existed at the time of sealing, and "
    "has not changed by a byte since.",
)
FAILED_STATES = Phrase(
    "平台的浏览器在所列起止时间内按所列网址访问，没有取得网页；原因与所见如上。",
    "Its browser tried the URL between the times given and got no page, for the reason and "
    "with the findings above.",
)
FAILED_NOT_ABSENT = Phrase(
    "该网页在其他时间、从其他地点、对其他访问者不存在或不能打开。",
    "That the page did not exist, or could not be opened, at other times, from other places or "
    "by others.",
)
FAILED_NOT_CAUSE = Phrase(
    "网页由谁、为何删除、屏蔽或使其不能打开。",
    "Who removed, blocked or disabled the page, or why.",
)
GRADE = Phrase("取证环境", "Surroundings of the capture")

# Fingerprints.
ITEM_DIGESTS = Phrase("文件指纹", "File")
MANIFEST_DIGESTS = Phrase("清单指纹", "Manifest")
MANIFEST_MEANING = Phrase(
    "清单 manifest.json 列明每个文件的指纹；时间戳与账本记录的是清单",
    "manifest.json names the fingerprint of every file; the timestamp and the ledger cover it",
)

# Time.
SEALED_AT = Phrase("签发时间", "Sealed at")
ACCURACY = Phrase(
    "精度 ±{milliseconds} 毫秒，由时间戳令牌载明",
    "accuracy ±{milliseconds} ms, as the token states",
)
NO_ACCURACY = Phrase("时间戳令牌未载明精度", "the token states no accuracy")
RECEIVED_AT = Phrase("平台收到", "Received here")
GAP_CAPTURE = Phrase("取证结束至签发", "From its end to the seal")
GAP_RECEIVED = Phrase("收到至签发", "From receipt to the seal")
GAP = Phrase("间隔 {seconds} 秒", "gap of {seconds} seconds")
GAP_CLOCKS = Phrase(
    "前者按平台时钟，后者按时间戳令牌", "from the platform's clock to the token's time"
)
GAP_LONG = Phrase(
    "注意：间隔超过 {limit} 秒；在此期间文件没有时间戳保护，其未变只由平台陈述",
    "Caution: longer than {limit} seconds; until the seal no timestamp protected the files; "
    "that they did not change rests on this platform's word",
)
GAP_NEGATIVE = Phrase(
    "注意：时间戳早于平台所记时间，两个时钟不一致",
    "Caution: the seal is earlier than the platform's own time; the two clocks disagree",
)
SEEN_BEFORE = Phrase("取证开始前的账本检查点", "Checkpoint before it began")
SEEN_BEFORE_MEANS = Phrase(
    "取证记录载明该检查点及其联署；联署无法预知，故记录不早于所列最早的联署时间写成",
    "named by the capture record with its cosignatures; these cannot be foreseen, so the "
    "record was not written before the earliest of them",
)
MOMENTS = {
    "opening": Phrase("取证开始时的时间戳", "Stamp at the opening"),
    "transcript": Phrase("传输记录的时间戳", "Stamp of the transcript"),
    "closing": Phrase("取证结束时的时间戳", "Stamp at the closing"),
}
MOMENT_MEANS = {
    "opening": Phrase(
        "打开网页之前签发；取证记录载明此令牌，故不早于此时写成",
        "made before the page was opened; the record names this token, so it was written after",
    ),
    "transcript": Phrase(
        "传输密文的索引在此时已经存在，其后密钥记录才被读取",
        "the index of the ciphertext existed then; the keys were read only afterwards",
    ),
    "closing": Phrase(
        "所列全部取证文件在此时已经存在",
        "all the files of this capture existed then",
    ),
}
NO_LOWER_BOUND_MEANING = Phrase(
    "没有独立来源说明文件最早何时形成",
    "no independent source says when the files were made at the earliest",
)

# Issue and ledger.
AUTHORITY = Phrase("时间戳机构", "Authority")
SERIAL = Phrase("令牌序列号 {serial}", "token serial {serial}")
CLOCK_NOT_VERIFIED = Phrase(
    "时钟未经核验：签发时没有同任何外部时间源核对",
    "clock not verified: it was compared with no outside source of time",
)
POLICY = Phrase("签发策略 {policy}", "policy {policy}")
LEDGER = Phrase("透明账本", "Ledger")
ENTRY = Phrase("第 {index} 条，账本共 {size} 条", "entry {index} of {size}")
ROOT = Phrase("根", "root")
WITNESSES = Phrase("见证人", "Witnesses")
NO_WITNESS = Phrase(
    "注意：账本尚无见证人；账本未被改写，目前只由运营者一方担保",
    "Caution: the ledger has no witness yet; "
    "that it was not rewritten rests on the operator alone",
)
WITNESSED = Phrase(
    "各见证人独立确认：账本的这一状态没有改写其此前所见；所列为其联署时间",
    "each states that this state of the ledger rewrites nothing it had seen before; "
    "the times are those of the cosignatures",
)
AFFILIATION = Phrase("关联关系", "Affiliation")
OWN_AUTHORITY = Phrase(
    "时间戳机构与账本均由本平台运营者自行运行并担保，不是独立第三方；"
    "申请人与运营者有关联的，本证书是关联方的陈述",
    "The operator runs, and alone vouches for, its timestamp authority and ledger; where the "
    "applicant is connected with the operator, this is an affiliated statement",
)
OWN_AUTHORITY_WITNESSED = Phrase(
    "时间戳机构由本平台运营者自行运行并担保，不是独立第三方；账本由运营者运行，"
    "由上列见证人见证；申请人与运营者有关联的，本证书是关联方的陈述",
    "The operator runs, and alone vouches for, its timestamp authority; it runs the ledger, "
    "which the witnesses above watch; where the applicant is connected with the operator, this "
    "is an affiliated statement",
)
OUTSIDE_AUTHORITY = Phrase(
    "时间戳由外部机构签发；账本由本平台运营者运行并担保，申请人与运营者有关联的，"
    "账本记录是关联方的陈述",
    "The timestamp is an outside authority's; the operator runs and vouches for the ledger, "
    "which is an affiliated statement where the applicant is connected with the operator",
)
FURTHER_OWN = Phrase("本平台机构的 SM2 时间戳", "SM2 timestamp, same authority")
FURTHER_OUTSIDE = Phrase("外部时间戳机构", "Outside authority")
FURTHER_AT = Phrase("{at} · 令牌序列号 {serial}", "{at} · token serial {serial}")
OUTSIDE_AS_WELL = Phrase(
    "上列外部机构各自对同一清单签发了时间戳，其时间不依赖本平台运营者",
    "The outside authorities above stamped the same manifest as well; their times do not rest "
    "on this platform's operator",
)
SIGNED_BY = Phrase("本证书由下列密钥作电子签名", "Signed electronically with the key of")

# What it proves, and what it does not.
PROVES = Phrase("证明什么", "What it proves")
PROVES_EXISTENCE = Phrase(
    "与所列指纹一致的文件，在签发时间已经存在。",
    "Files matching the fingerprints existed at the time of sealing.",
)
PROVES_UNCHANGED = Phrase(
    "今天核对指纹一致的文件，自签发时间起逐字节未变。",
    "A file that matches today has not changed by a byte since then.",
)
PROVES_ENTRY = Phrase(
    "该清单与时间戳已记入账本 {origin} 第 {index} 条。",
    "Manifest and timestamp are entry {index} of the ledger {origin}.",
)
STATES = Phrase("平台陈述什么", "What this platform states")
STATES_RECEIVED = Phrase(
    "平台于 {at} 收到本证据（平台时钟）。",
    "The exhibit was received at {at}, by its own clock.",
)
STATES_WEB = Phrase(
    "平台的浏览器在所列起止时间内访问所列网址，所得内容即清单中的文件。",
    "Its browser visited the URL between the times given; the files are what it received.",
)
PROVES_NOT = Phrase("不证明什么", "What it does not prove")
NOT_TRUTH = Phrase(
    "文件所载内容真实、合法，或与案件有关。",
    "That the content is true, lawful or relevant to a case.",
)
NOT_AUTHOR = Phrase(
    "作者、权属或申请人的身份；不影响任何授权许可。",
    "Authorship, ownership or the applicant's identity; no licence is affected.",
)
NOT_AUTHOR_ATTESTED = Phrase(
    "作者或权属；申请人的实名以上列核验者的陈述为限，账号由谁操作不由本证书证明；"
    "不影响任何授权许可。",
    "Authorship or ownership; that the applicant bears his name rests on who attested to it, "
    "and who worked the account is not proved here; no licence is affected.",
)
NOT_MANNER = Phrase("取得方式合法。", "That the content was obtained lawfully.")
NOT_EARLIEST = Phrase("文件最早何时形成。", "When the files were made at the earliest.")
NOT_ORIGIN = Phrase(
    "所取内容来自网址所指的服务器：来源核查未通过。",
    "That the content came from the server that the address names: the origin check was not "
    "passed.",
)
NOT_OTHERS = Phrase(
    "他人在其他时间、地点看到的是同一页面。",
    "That others, elsewhere or at other times, saw the same page.",
)
NOT_ADMISSION = Phrase(
    "是否采信由审理机关决定。", "Whether it is admitted is for the court to decide."
)

# How to verify.
HOW = Phrase("怎样验证", "How to verify")
HOW_ONLINE = Phrase(
    "打开 {address}（或扫首页二维码），把原始文件与证据包拖入页面。",
    "Open {address} (or scan the code on page 1) and drop the files and the package there.",
)
HOW_EXTRACT = Phrase(
    "从本 PDF 取出附件，核对文件的 SHA-256 与清单一致。",
    "Take the attachments out of this PDF; compare each file's SHA-256 with the manifest.",
)
HOW_SEAL = Phrase(
    "用 OpenSSL 核对清单的时间戳；每个原件也可用各自的 .tsa 核对。",
    "Check the manifest's timestamp with OpenSSL; every original also has its own .tsa.",
)
HOW_PACKAGE = Phrase(
    "用开源验证程序离线核对整个证据包（含账本记录）。",
    "Check the whole package, with its ledger entry, offline by the open-source verifier.",
)
HOW_SIGNATURE = Phrase("核对本 PDF 的电子签名。", "Check the signature of this PDF.")
HOW_ROOTS = Phrase(
    "roots.pem 是信任根，须从本文件以外的独立渠道取得；文件内容不会离开您的电脑。",
    "roots.pem holds the trust roots: obtain it independently of this file. "
    "No content leaves your computer.",
)

ATTACHMENTS = Phrase("附件", "Attachments")
ATTACHED = {
    "manifest.json": Phrase("清单", "manifest"),
    "certificate.json": Phrase("本证书的机器可读形式", "this certificate for machines"),
    "capture.json": Phrase("取证记录", "capture record"),
    "seal.tsa": Phrase("清单的时间戳令牌", "timestamp of the manifest"),
    "leaf": Phrase("账本条目", "ledger entry"),
    "entry.tlog-proof": Phrase("账本包含证明", "proof of inclusion"),
}
ATTACHED_SEALS = Phrase("清单的其他时间戳", "further timestamps of the manifest")
ATTACHED_MOMENTS = Phrase("取证过程中的时间戳与检查点", "stamps made during the capture")
ATTACHED_TOKENS = Phrase("原件的时间戳令牌", "timestamps of the originals")

WRITTEN_OUT = Phrase(
    "‹U+…› 表示无法显示或会改变显示方向的字符，原文见附件 certificate.json。",
    "‹U+…› stands for a character that cannot be shown or would turn the text; "
    "see certificate.json.",
)
MECHANISM = Phrase(
    "机制：RFC 3161 时间戳与 Merkle 透明账本（RFC 6962、C2SP）。",
    "Mechanism: RFC 3161 timestamps and a Merkle transparency ledger (RFC 6962, C2SP).",
)
LEGAL_NOTICE = Phrase(
    "法律提示：本证书及说明仅供参考，必要时请咨询专业律师。",
    "For reference only; consult a professional lawyer where needed.",
)
VERIFY = Phrase("验证", "verify")
PAGE = Phrase("第 {page} 页，共 {pages} 页", "page")
