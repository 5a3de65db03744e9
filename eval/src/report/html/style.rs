//! The looks of the page: light and dark by the reader's choice, narrow screens, paper.

/// Methods with their colours on a light and a dark ground; colours that are told apart with any colour vision (after
/// Okabe and Ito), darkened or lightened for contrast.
pub const METHODS: [(&str, &str, &str); 8] = [
    ("none", "#333333", "#d8d8d8"),
    ("llm.int8", "#b06f00", "#f0b040"),
    ("gptq", "#0067a8", "#5bb4f0"),
    ("spqr", "#c24a00", "#ff8c4a"),
    ("rtn", "#00805c", "#3fcf9f"),
    ("awq", "#a8437f", "#ec93c4"),
    ("hqq", "#3b7f9e", "#8fd3ef"),
    ("nf4", "#7a6a00", "#e0cf4a"),
];

/// The class of a method's colour.
pub fn class(method: &str) -> String {
    let is_known = METHODS.iter().any(|(name, _, _)| *name == method);
    if is_known { format!("m-{}", method.replace('.', "-")) } else { "m-other".into() }
}

/// The content of the style element.
pub fn sheet() -> String {
    let colours = |of: fn(&(&str, &str, &str)) -> String| METHODS.iter().map(of).collect::<String>();
    let light = colours(|(name, light, _)| format!(".{}{{--c:{light}}}", class(name)));
    let dark = colours(|(name, _, dark)| format!(".{}{{--c:{dark}}}", class(name)));
    format!(
        "{BASE}.m-other{{--c:#666666}}{light}@media (prefers-color-scheme: dark){{{DARK}.m-other{{--c:#b0b0b0}}{dark}}}\
         @media print{{{PRINT}.m-other{{--c:#666666}}{light}}}"
    )
}

const BASE: &str = "\
:root{--ground:#ffffff;--ink:#1b1b1b;--soft:#5a5a5a;--rule:#dcdcdc;--pale:#6f6f6f;--worse:#a01010;--better:#0a6b2d;\
--panel:#f6f6f4;color-scheme:light dark}\
*{box-sizing:border-box}\
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\
\"DejaVu Sans\",sans-serif}\
main{max-width:1320px;margin:0 auto;padding:1rem}\
h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.25rem;margin:2.2rem 0 .6rem;border-top:1px solid \
var(--rule);padding-top:1rem}h3{font-size:1.05rem;margin:1.4rem 0 .4rem}\
p,li{max-width:75ch}.soft,figcaption small{color:var(--soft)}.soft{font-size:.9rem}\
nav{font-size:.9rem}nav a{margin-right:1rem}a{color:inherit}\
.verdict{background:var(--panel);border-left:4px solid var(--ink);padding:.7rem 1rem;margin:1rem 0}\
.verdict p{margin:.35rem 0}\
.scroll{overflow-x:auto;margin:.6rem 0 1.2rem}\
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}\
caption{text-align:left;font-weight:600;padding:.2rem 0}\
th,td{padding:.2rem .26rem;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap;vertical-align:top}\
th{font-weight:600}thead th{border-bottom:2px solid var(--soft);vertical-align:bottom}\
.name{text-align:left}td.wrap{white-space:normal;min-width:16rem;text-align:left}\
tr.first td,tr.first th{border-top:2px solid var(--rule)}\
.sign{display:inline-block;width:.6em;text-align:left;font-weight:700}.worse{color:var(--worse)}.better{color:var(--better)}\
.paper{display:block;color:var(--pale);font-size:.78em;line-height:1.2;padding-right:.9em}\
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(330px,100%),1fr));gap:1rem;margin:.8rem 0}\
figure{margin:0;min-width:0}figcaption{font-weight:600;font-size:.92rem}figcaption small{font-weight:400;display:block}\
svg{display:block;width:100%;height:auto;overflow:visible}\
svg text{font:11px system-ui,-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif;fill:var(--soft)}\
svg .name{fill:var(--ink)}svg .label{fill:var(--c,var(--ink))}\
.grid{stroke:var(--rule);stroke-width:1}.axis{stroke:var(--soft)}.level{stroke:var(--soft);stroke-dasharray:4 3}\
.line{fill:none;stroke:var(--c);stroke-width:1.6}.dot{fill:var(--c);stroke:var(--c)}.dot .bar,.whisker{stroke-width:1.3}\
.whisker{stroke:var(--ink)}.pale{--c:var(--pale)}.faint{opacity:.6}.ring{fill:none;stroke-width:1.4}.front{stroke-dasharray:2 3;\
--c:var(--soft)}\
.lost{--c:#a01010}.gained{--c:#2f8f4e}.moved{--c:#8a8a8a}\
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.875rem;padding:0;margin:.4rem 0;list-style:none}\
.legend svg{display:inline-block;width:14px;height:14px;vertical-align:-2px;margin-right:.35em}\
.outcome{font-weight:700}dt{font-weight:600;margin-top:.8rem}dd{margin:.1rem 0 .1rem 1.2rem}\
details{margin:.5rem 0}summary{cursor:pointer}\
pre{background:var(--panel);padding:.7rem;overflow-x:auto;font-size:.8rem;line-height:1.4}\
code{font-size:.92em;overflow-wrap:anywhere}\
@media (max-width:480px){body{font-size:15px}main{padding:.7rem}table{font-size:.8rem}th,td{padding:.2rem .4rem}}";

const DARK: &str = "\
:root{--ground:#16181a;--ink:#ececec;--soft:#a9a9a9;--rule:#3a3d40;--pale:#9a9a9a;--worse:#ff8a80;--better:#7ddb95;\
--panel:#202326}.lost{--c:#ff8a80}.gained{--c:#7ddb95}.moved{--c:#9a9a9a}";

const PRINT: &str = "\
:root{--ground:#ffffff;--ink:#000000;--soft:#444444;--rule:#cccccc;--pale:#666666;--worse:#900000;--better:#005020;\
--panel:#ffffff}body{font-size:10pt}.lost{--c:#a01010}.gained{--c:#2f8f4e}.moved{--c:#8a8a8a}main{max-width:none;padding:0}nav{display:none}.scroll{overflow:visible}\
details::details-content{content-visibility:visible;block-size:auto}\
table{font-size:7pt}th,td{padding:.1rem .25rem}figure,tr,.verdict{break-inside:avoid}h2,h3{break-after:avoid}\
.figures{grid-template-columns:repeat(3,1fr)}pre{white-space:pre-wrap;overflow-wrap:anywhere}";
