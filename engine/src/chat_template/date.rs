//! The date that a chat template sees: given, never the clock's.

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// 26 July 2024: the day that the templates of Llama 3 write when the program that renders them has no date.
    pub const DEFAULT: Self = Self { year: 2024, month: 7, day: 26 };

    /// A day, `None` if there is no such one. `year`: 1583 to 9999; `month`: 1 to 12; `day`: 1 to the month's last.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let date = Self { year, month, day };
        let valid = (1583..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=date.days_in_month(month)).contains(&day);
        valid.then_some(date)
    }

    fn is_leap_year(self) -> bool {
        self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400))
    }

    fn days_in_month(self, month: u8) -> u8 {
        match month {
            2 if self.is_leap_year() => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// Day of the year, 1 to 366.
    fn day_of_year(self) -> u16 {
        let before: u16 = (1..self.month).map(|month| u16::from(self.days_in_month(month))).sum();
        before + u16::from(self.day)
    }

    /// Day of the week, 0 for Sunday.
    fn weekday(self) -> usize {
        // Days since the Sunday before 1 January of year 1, which was a Monday.
        let years = usize::from(self.year) - 1;
        (years * 365 + years / 4 - years / 100 + years / 400 + usize::from(self.day_of_year())) % 7
    }

    /// Midnight of this day in C's `strftime` notation, in the C locale.
    ///
    /// # Errors
    /// The first directive that is not known.
    pub(super) fn format(self, format: &str) -> Result<String, String> {
        let mut text = String::new();
        let mut rest = format.chars();
        while let Some(character) = rest.next() {
            if character != '%' {
                text.push(character);
                continue;
            }
            let mut directive = rest.next();
            let unpadded = directive == Some('-');
            if unpadded {
                directive = rest.next();
            }
            let field = directive.and_then(|directive| self.field(directive));
            let Some(field) = field else {
                let shown: String = directive.into_iter().collect();
                return Err(format!("%{}{shown}", if unpadded { "-" } else { "" }));
            };
            match unpadded {
                true if field.trim_start_matches(['0', ' ']).is_empty() => text.push('0'),
                true => text.push_str(field.trim_start_matches(['0', ' '])),
                false => text.push_str(&field),
            }
        }
        Ok(text)
    }

    fn field(self, directive: char) -> Option<String> {
        const MONTHS: [&str; 12] = [
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
        const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
        let month = MONTHS[usize::from(self.month) - 1];
        let weekday = WEEKDAYS[self.weekday()];
        let (year, month_number, day) = (self.year, self.month, self.day);
        Some(match directive {
            'Y' => format!("{year:04}"),
            'y' => format!("{:02}", year % 100),
            'm' => format!("{month_number:02}"),
            'd' => format!("{day:02}"),
            'e' => format!("{day:2}"),
            'j' => format!("{:03}", self.day_of_year()),
            'B' => month.to_string(),
            'b' | 'h' => month[..3].to_string(),
            'A' => weekday.to_string(),
            'a' => weekday[..3].to_string(),
            'w' => self.weekday().to_string(),
            'u' => (if self.weekday() == 0 { 7 } else { self.weekday() }).to_string(),
            'H' | 'M' | 'S' => "00".to_string(),
            'I' => "12".to_string(),
            'p' => "AM".to_string(),
            'f' => "000000".to_string(),
            'T' | 'X' => "00:00:00".to_string(),
            'R' => "00:00".to_string(),
            'F' => format!("{year:04}-{month_number:02}-{day:02}"),
            'D' | 'x' => format!("{month_number:02}/{day:02}/{:02}", year % 100),
            'c' => format!("{} {} {day:2} 00:00:00 {year:04}", &weekday[..3], &month[..3]),
            // The date is without a time zone, as Python's datetime.now() is.
            'Z' | 'z' => String::new(),
            '%' => "%".to_string(),
            _ => return None,
        })
    }
}

impl Default for Date {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}
