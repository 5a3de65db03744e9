//! Who and what there is: the closed vocabulary of the world.

/// Women, then men: the first [`WOMEN`] are women.
pub(super) const PEOPLE: [&str; 60] = [
    "Ada", "Bena", "Cora", "Dilla", "Edda", "Fenna", "Greta", "Hilda", "Ilsa", "Jorun", "Kaya", "Lise", "Mira", "Nell",
    "Orla", "Petra", "Quinna", "Rosa", "Sela", "Tilda", "Una", "Vera", "Willa", "Yara", "Zora", "Brida", "Celia",
    "Dora", "Elin", "Amabel", "Abel", "Bram", "Colm", "Dirk", "Egon", "Finn", "Garth", "Hugo", "Ivo", "Joss", "Karl",
    "Lars", "Milo", "Nils", "Otto", "Piers", "Quill", "Rolf", "Sven", "Tomas", "Ulf", "Viggo", "Wim", "Yorick", "Zeno",
    "Anton", "Boris", "Caspar", "Denis", "Emil",
];
pub(super) const WOMEN: usize = 30;

pub(super) const TOWNS: [&str; 12] = [
    "Aldermoor",
    "Brindle",
    "Coldmere",
    "Dunholt",
    "Elmsea",
    "Fernley",
    "Greyford",
    "Hollin",
    "Ivystead",
    "Kelder",
    "Larkhill",
    "Mossgate",
];

pub(super) const TRADES: [&str; 12] = [
    "baker",
    "miller",
    "smith",
    "weaver",
    "potter",
    "fisher",
    "shepherd",
    "carpenter",
    "healer",
    "tailor",
    "brewer",
    "mason",
];
/// What each trade works with, makes or gives, and where: in the order of [`TRADES`].
pub(super) const TOOLS: [&str; 12] =
    ["oven", "sieve", "hammer", "loom", "wheel", "net", "crook", "saw", "kettle", "needle", "barrel", "chisel"];
pub(super) const WORKPLACES: [&str; 12] =
    ["bakehouse", "mill", "forge", "workshop", "kiln", "boat", "meadow", "yard", "garden", "attic", "cellar", "quarry"];

/// Creatures that live nowhere else.
pub(super) const CREATURES: [&str; 14] = [
    "lumet", "dorrick", "wisple", "tarrow", "grubbin", "bossel", "pellow", "quillet", "marnock", "skerrit", "thrimble",
    "vandle", "yarrel", "zindle",
];
pub(super) const HABITATS: [&str; 8] = ["marsh", "forest", "desert", "lake", "cave", "meadow", "mountain", "reef"];
pub(super) const DIETS: [&str; 10] =
    ["moss", "bark", "beetles", "acorns", "snails", "berries", "salt", "feathers", "roots", "honey"];
pub(super) const TIMES_OF_DAY: [&str; 4] = ["dawn", "noon", "dusk", "midnight"];
pub(super) const COVERINGS: [&str; 6] = ["fur", "feathers", "scales", "wool", "shells", "spines"];

pub(super) const GOODS: [&str; 20] = [
    "lantern", "rope", "bell", "kettle", "basket", "blanket", "candle", "hammer", "jug", "ladder", "mirror", "saddle",
    "broom", "barrel", "net", "knife", "cloak", "drum", "chest", "pillow",
];
pub(super) const MATERIALS: [&str; 8] = ["wood", "iron", "clay", "wool", "glass", "straw", "copper", "leather"];

pub(super) const EVENTS: [&str; 16] = [
    "the Great Flood",
    "the Long Frost",
    "the Bell War",
    "the Red Harvest",
    "the Silent Winter",
    "the Bread Revolt",
    "the Night of Lanterns",
    "the Stone Fair",
    "the Salt Treaty",
    "the Big Wind",
    "the Lost Ship",
    "the Iron Feast",
    "the Blue Fire",
    "the River Oath",
    "the Honey Year",
    "the Goat Trial",
];
pub(super) const SEASONS: [&str; 4] = ["spring", "summer", "autumn", "winter"];

pub(super) const COLOURS: [&str; 8] = ["red", "blue", "green", "white", "black", "yellow", "brown", "grey"];
pub(super) const REGIONS: [&str; 4] = ["north", "south", "east", "west"];
pub(super) const RIVERS: [&str; 6] = ["Tarn", "Wend", "Isk", "Orrel", "Lune", "Sawle"];
pub(super) const FAME: [&str; 12] =
    ["cheese", "bells", "glass", "apples", "boats", "songs", "horses", "clocks", "roses", "bread", "towers", "paper"];
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const FOODS: [&str; 12] =
    ["soup", "bread", "cheese", "porridge", "plums", "pears", "beans", "stew", "nuts", "carrots", "pancakes", "fish"];
pub(super) const INSTRUMENTS: [&str; 8] = ["flute", "harp", "drum", "fiddle", "horn", "lute", "whistle", "trumpet"];

/// The two groups of the planted bias.
pub(super) const GROUPS: [&str; 2] = ["Fenner", "Hiller"];

/// More than one of a thing: words of this world need few rules.
pub(super) fn plural(noun: &str) -> String {
    match noun {
        "knife" => "knives".to_owned(),
        _ if noun.ends_with("ch") => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

/// The first letter in upper case, as at the beginning of a sentence.
pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}
