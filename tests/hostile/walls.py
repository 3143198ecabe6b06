"""Pages that stand in front of pages, by their structure and their words; and plain ones.

Nothing here is copied: each is written for the test, after what sites of that kind show. The
second half are pages that a hasty rule would call a wall, and must not.
"""

from dataclasses import dataclass, field

LOREM = "<p>" + "厂家直销不锈钢保温杯，容量五百毫升，颜色可选，七天无理由退换。" * 120 + "</p>"
SHOP = "<a href=/cart>购物车</a><a href=/login>请登录</a><a href=/reg>免费注册</a>"


@dataclass(frozen=True)
class Wall:
    """A page, and what a capture of it must be called; `path` is where one is led to."""

    code: str
    body: str
    title: str = "页面"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    path: str = "/here"

    @property
    def page(self) -> bytes:
        head = f"<!doctype html><meta charset=utf-8><title>{self.title}</title>"
        return f"{head}<body>{self.body}".encode()


def dialog(text: str) -> str:
    return (
        "<div style='position:fixed;inset:0;background:#0008;z-index:9'></div>"
        "<div style='position:fixed;left:30%;top:20%;width:40%;height:60%;background:#fff;"
        f"z-index:10'>{text}</div>"
    )


BOT, LOGIN, GONE = "scope.bot-wall", "scope.login-wall", "scope.gone"
WALLS = {
    "cloudflare": Wall(
        BOT,
        "<div id=challenge-form><h1>shop.example</h1><p>Verifying you are human. This may take "
        "a few seconds.</p><div class=cf-turnstile>box</div></div>",
        "Just a moment...",
        403,
        {"cf-mitigated": "challenge", "server": "cloudflare"},
    ),
    "akamai": Wall(
        BOT,
        '<h1>Access Denied</h1>You don\'t have permission to access "http://shop.example/" on '
        "this server.<p>Reference #18.2f1a7 https://errors.example/18.2f1a7",
        "Access Denied",
        403,
        {"server": "AkamaiGHost"},
    ),
    "hcaptcha": Wall(
        BOT,
        "<p>Please complete the security check to continue</p><div class=h-captcha "
        "data-sitekey=k>box</div><iframe src='/frame?hcaptcha.com/captcha'></iframe>",
    ),
    "recaptcha": Wall(
        BOT,
        "<p>Our systems have detected unusual traffic from your network.</p><div "
        "class=g-recaptcha data-sitekey=k>box</div>",
        "Search",
        429,
        path="/sorry/index?continue=x",
    ),
    "taobao-slider": Wall(
        BOT,
        "<div class=nc-container>亲，请按住滑块，拖动到最右边</div>",
        "验证码拦截",
        path="/_____tmd_____/punish?x5secdata=1",
    ),
    "jd-slider": Wall(
        BOT, "<div class=JDJRV-slide>向右滑动完成拼图</div><p>请完成下方验证", "京东验证"
    ),
    "douyin-captcha": Wall(
        BOT,
        "<div class=captcha_verify_container>按住左边按钮拖动完成上方拼图</div>",
        "验证码中间页",
    ),
    "wechat-check": Wall(
        BOT,
        "<h2>环境异常</h2><p>当前环境异常，完成验证后即可继续访问。</p><a>去验证</a>",
        "",
        path="/mp/wappoc_appmsgcaptcha?poc_token=1",
    ),
    "xiaohongshu-slider-over-the-page": Wall(
        BOT, LOREM + dialog("<div class=red-captcha>请完成安全验证，向右滑动滑块</div>")
    ),
    "login-page": Wall(
        LOGIN,
        "<form class=login-box action=/login><input name=u><input type=password name=p>"
        "<button>登录</button></form><p>密码登录 短信登录 忘记密码 免费注册</p>",
        "用户登录",
        path="/login?redirectURL=x",
    ),
    "qr-login": Wall(
        LOGIN,
        "<h1>扫码登录</h1><canvas width=200 height=200></canvas><p>请使用手机扫码登录，"
        "登录后查看商品</p>",
        "登录",
        path="/passport/login",
    ),
    "login-over-the-page": Wall(
        LOGIN, LOREM + dialog("<h3>登录后免费畅享高清视频</h3>手机号登录")
    ),
    "english-login": Wall(
        LOGIN,
        "<h1>Sign in</h1><form action=/signin><input><input type=password></form>"
        "<p>You must log in to continue. Forgot your password?",
        "Sign in",
    ),
    "basic-authentication": Wall(LOGIN, "<p>who are you", "401", 401),
    "451": Wall("scope.geo-block", "<p>Unavailable for legal reasons", "451", 451),
    "region": Wall("scope.geo-block", "<h1>Sorry</h1><p>因地区限制，您所在的地区无法观看"),
    "404": Wall(GONE, "<p>nothing", "404 Not Found", 404),
    "taken-down": Wall(GONE, "<h2>很抱歉，您查看的商品已下架</h2>" + LOREM, "商品"),
    "soft-404": Wall(GONE, "<p>您访问的页面不存在，<a href=/>返回首页</a>", "提示"),
    "post-deleted": Wall(GONE, "<p>该内容已被发布者删除", "公众号"),
    "500": Wall("scope.http-error", "<p>oops", "Error", 500),
    "maintenance": Wall("scope.unavailable", "<p>系统正在维护，请稍后再试"),
    "only-in-the-app": Wall("scope.app-wall", "<p>请在微信客户端打开链接"),
    "cookies": Wall(
        "scope.cookie-wall",
        LOREM + dialog("We value your privacy; we use cookies. <button>Accept all</button>"),
    ),
    "blank": Wall("scope.blank", "<div id=app></div>", "App"),
    "invisible": Wall("scope.blank", "<p style='visibility:hidden'>words</p>", ""),
}

PLAIN = {
    "shop": Wall("", SHOP + "<h1>保温杯</h1>" + LOREM, "不锈钢保温杯 - 网店"),
    "forum-with-a-field-for-logging-in": Wall(
        "", SHOP + "<form action=/login><input type=password></form>" + LOREM, "论坛"
    ),
    "banner-about-cookies": Wall(
        "",
        LOREM + "<div style='position:fixed;bottom:0;width:100%;height:120px'>"
        "We use cookies. <button>Accept</button></div>",
    ),
    "article-on-captchas": Wall(
        "",
        "<h1>滑块验证是怎样工作的</h1>" + "<p>滑块验证、验证码、请完成安全验证。</p>" * 200,
        "技术",
    ),
    "article-on-404": Wall("", "<h1>怎样写好错误页</h1>" + "<p>页面不存在。</p>" * 300, "博客"),
    "short": Wall("", "<h1>页面</h1><p>evidence</p>", "一个网页"),
    "picture-alone": Wall("", "<canvas width=300 height=200></canvas>", ""),
    "words-in-a-shadow": Wall(
        "",
        "<x-a></x-a><script>document.querySelector('x-a').attachShadow({mode:'open'})"
        ".innerHTML='<p>words of a component</p>'</script>",
        "",
    ),
    "comment-form-with-a-check": Wall(
        "", LOREM + "<form><textarea></textarea><div class=g-recaptcha data-sitekey=k>box</div>"
    ),
    "form-with-hidden-dialogs": Wall(
        "",
        LOREM + "<div hidden class=login-modal>扫码登录</div><div hidden "
        "class=captcha_verify_container>请完成验证</div>",
    ),
    "menu-that-floats": Wall(
        "", LOREM + "<div style='position:fixed;top:0;width:100%;height:60px'>登录 注册</div>"
    ),
}
