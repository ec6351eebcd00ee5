#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif

/// A point in local time, for templates that write the date.
public struct TemplateClock: Sendable, Hashable {
  /// The year, such as 2025.
  public var year: Int
  /// 1…12.
  public var month: Int
  /// 1…31.
  public var day: Int
  /// 0…23.
  public var hour: Int
  /// 0…59.
  public var minute: Int
  /// 0…60.
  public var second: Int

  /// A point in time by its parts.
  public init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
    precondition(
      (-9999...9999).contains(year) && (1...12).contains(month) && (1...31).contains(day)
        && (0...23).contains(hour) && (0...59).contains(minute) && (0...60).contains(second),
      "\(year)-\(month)-\(day) \(hour):\(minute):\(second) is no time")
    self.year = year
    self.month = month
    self.day = day
    self.hour = hour
    self.minute = minute
    self.second = second
  }

  /// The present, in the system's time zone.
  public static var now: TemplateClock {
    var seconds = time(nil)
    var parts = tm()
    guard localtime_r(&seconds, &parts) != nil else { return TemplateClock(year: 1970, month: 1, day: 1) }
    return TemplateClock(
      year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday),
      hour: Int(parts.tm_hour), minute: Int(parts.tm_min), second: Int(parts.tm_sec))
  }

  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
  ]
  private static let days = [
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
  ]

  /// The time in a format of `strftime`, in English whatever the system speaks; nil with a directive that is not
  /// known, which is then in `unknown`.
  func text(_ format: String, unknown: inout String) -> String? {
    var result = ""
    var scalars = format.unicodeScalars.makeIterator()
    while let scalar = scalars.next() {
      guard scalar == "%" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      var directive = scalars.next()
      let isBare = directive == "-"
      if isBare { directive = scalars.next() }
      guard let directive, let text = text(of: directive, isBare: isBare) else {
        unknown = "%" + (isBare ? "-" : "") + (directive.map { String($0) } ?? "")
        return nil
      }
      result += text
    }
    return result
  }

  private func text(of directive: Unicode.Scalar, isBare: Bool) -> String? {
    func padded(_ number: Int, _ width: Int = 2) -> String {
      let digits = String(number)
      return isBare ? digits : String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let twelve = (hour + 11) % 12 + 1
    switch directive {
    case "Y": return String(year)
    case "y": return padded(year % 100)
    case "m": return padded(month)
    case "d": return padded(day)
    case "e": return isBare || day > 9 ? String(day) : " \(day)"
    case "H": return padded(hour)
    case "I": return padded(twelve)
    case "M": return padded(minute)
    case "S": return padded(second)
    case "p": return hour < 12 ? "AM" : "PM"
    case "B": return name(Self.months, month - 1)
    case "b", "h": return name(Self.months, month - 1).map { String($0.prefix(3)) }
    case "A": return name(Self.days, weekday)
    case "a": return name(Self.days, weekday).map { String($0.prefix(3)) }
    case "w": return String(weekday)
    case "j": return padded(dayOfYear, 3)
    case "F": return "\(padded(year))-\(padded(month))-\(padded(day))"
    case "T": return "\(padded(hour)):\(padded(minute)):\(padded(second))"
    case "R": return "\(padded(hour)):\(padded(minute))"
    case "D": return "\(padded(month))/\(padded(day))/\(padded(year % 100))"
    case "n": return "\n"
    case "t": return "\t"
    case "%": return "%"
    default: return nil
    }
  }

  private func name(_ names: [String], _ index: Int) -> String? {
    names.indices.contains(index) ? names[index] : nil
  }

  private var isLeapYear: Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

  private var dayOfYear: Int {
    let lengths = [31, isLeapYear ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return lengths.prefix(max(0, min(month - 1, 12))).reduce(day, +)
  }

  /// Days since Sunday (Sakamoto's method).
  private var weekday: Int {
    let offsets = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4]
    guard offsets.indices.contains(month - 1) else { return 0 }
    let year = month < 3 ? year - 1 : year
    let sum = year + year / 4 - year / 100 + year / 400 + offsets[month - 1] + day
    return ((sum % 7) + 7) % 7
  }
}
