/// Reads the literals that the headers of array files are made of: Python's in .npy, JSON in .safetensors.
///
/// Foundation's JSON decoder would do for the second, except that these headers come from strangers: it takes many times
/// the text's size in memory, and does not notice a key that occurs twice.
struct HeaderScanner {
  /// What is wrong with a header.
  struct Fault: Error {
    var reason: String
    /// Whether the header is well formed, and only describes something that tensors do not hold.
    var isUnsupported = false
  }

  /// The language of the literals. Python's strings have quotes of either kind, and its lists may end in a comma.
  enum Language {
    case python, json
  }

  private let text: [UInt8]
  private let language: Language
  private var place = 0

  init(_ text: [UInt8], _ language: Language) {
    self.text = text
    self.language = language
  }

  /// Skips white space, and takes a character if it comes next.
  mutating func accept(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard place < text.count, text[place] == UInt8(ascii: character) else { return false }
    place += 1
    return true
  }

  mutating func expect(_ character: Unicode.Scalar) throws {
    guard accept(character) else { throw Fault(reason: "expected '\(character)' at byte \(place)") }
  }

  mutating func expectEnd() throws {
    skipSpace()
    guard place == text.count else { throw Fault(reason: "there is more after its end, at byte \(place)") }
  }

  /// Skips white space, and takes a word if it comes next.
  mutating func accept(word: String) -> Bool {
    skipSpace()
    guard text[place...].starts(with: word.utf8) else { return false }
    place += word.utf8.count
    return true
  }

  /// A whole number that fits 64 bits.
  mutating func integer() throws -> Int {
    let isNegative = accept("-")
    if !isNegative { skipSpace() }
    let start = place
    var value = 0
    while place < text.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[place]) {
      let digit = Int(text[place] - UInt8(ascii: "0"))
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(digit)
      if overflow || carry { throw Fault(reason: "a number does not fit 64 bits, at byte \(start)") }
      value = sum
      place += 1
    }
    guard place > start else { throw Fault(reason: "expected a whole number at byte \(place)") }
    if text[start] == UInt8(ascii: "0"), place > start + 1 {
      throw Fault(reason: "a number begins with 0, at byte \(start)")
    }
    return isNegative ? -value : value
  }

  /// Reads items between an opening and a closing character, with commas between them and, in Python, perhaps after the
  /// last.
  ///
  /// - Parameter limit: the most items that a good header has.
  mutating func list(
    _ open: Unicode.Scalar, _ close: Unicode.Scalar, limit: Int = .max, _ item: (inout HeaderScanner) throws -> Void
  ) throws {
    try expect(open)
    var count = 0
    // After the first item, the loop is here because of a comma, and in JSON the end may not follow a comma.
    while count > 0 && language == .json || !accept(close) {
      count += 1
      guard count <= limit else { throw Fault(reason: "more than \(limit) items at byte \(place)") }
      try item(&self)
      if !accept(",") {
        try expect(close)
        return
      }
    }
  }

  /// Skips a value of any kind, however deep, that is of no concern.
  ///
  /// Whether it is good JSON is looked at only as far as its end depends on it.
  mutating func skipValue() throws {
    var open: [UInt8] = []
    repeat {
      skipSpace()
      guard place < text.count else { throw Fault(reason: "a value does not end") }
      switch text[place] {
      case UInt8(ascii: "\""):
        _ = try string()
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        guard open.count < 64 else { throw Fault(reason: "a value in a value, 64 times, at byte \(place)") }
        // The closing one of either is two further on.
        open.append(text[place] + 2)
        place += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        guard open.popLast() == text[place] else { throw Fault(reason: "unexpected end of a value at byte \(place)") }
        place += 1
      case UInt8(ascii: ","), UInt8(ascii: ":"):
        guard !open.isEmpty else { throw Fault(reason: "expected a value at byte \(place)") }
        place += 1
        continue
      default:
        let start = place
        while place < text.count, Self.isOfWord(text[place]) { place += 1 }
        guard place > start else { throw Fault(reason: "expected a value at byte \(place)") }
      }
    } while !open.isEmpty
  }

  /// Whether a character may be part of `true`, `null` or a number.
  private static func isOfWord(_ character: UInt8) -> Bool {
    switch Unicode.Scalar(character) {
    case "a"..."z", "A"..."Z", "0"..."9", "+", "-", ".": true
    default: false
    }
  }

  /// A string, with JSON's escapes.
  mutating func string() throws -> String {
    guard accept("\"") || (language == .python && accept("'")) else {
      throw Fault(reason: "expected a string at byte \(place)")
    }
    let (start, quote) = (place, text[place - 1])
    var bytes: [UInt8] = []
    while place < text.count, text[place] != quote {
      if text[place] == UInt8(ascii: "\\") {
        bytes += try escape()
      } else {
        guard text[place] >= 0x20 else { throw Fault(reason: "a control character in a string, at byte \(place)") }
        bytes.append(text[place])
        place += 1
      }
    }
    guard place < text.count else { throw Fault(reason: "the string at byte \(start) does not end") }
    place += 1
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw Fault(reason: "the string at byte \(start) is not UTF-8")
    }
    return string
  }

  private mutating func escape() throws -> [UInt8] {
    let start = place
    guard place + 1 < text.count else { throw Fault(reason: "a string does not end") }
    place += 2
    switch Unicode.Scalar(text[place - 1]) {
    case "\"", "'", "\\", "/": return [text[place - 1]]
    case "b": return [0x08]
    case "f": return [0x0C]
    case "n": return [0x0A]
    case "r": return [0x0D]
    case "t": return [0x09]
    case "u":
      var units = [try hexadecimal()]
      if UTF16.isLeadSurrogate(units[0]), text[place...].starts(with: "\\u".utf8) {
        place += 2
        units.append(try hexadecimal())
      }
      guard let string = String(validating: units, as: UTF16.self) else { break }
      return Array(string.utf8)
    default: break
    }
    throw Fault(reason: "an unknown escape in a string, at byte \(start)")
  }

  private mutating func hexadecimal() throws -> UInt16 {
    guard place + 4 <= text.count, let digits = String(validating: text[place..<place + 4], as: UTF8.self),
      let value = UInt16(digits, radix: 16), digits.first != "+"
    else { throw Fault(reason: "expected four hexadecimal digits at byte \(place)") }
    place += 4
    return value
  }

  private mutating func skipSpace() {
    while place < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[place]) { place += 1 }
  }
}

/// Text from a file as an error may show it: in quotes, short, and without invisible characters.
package func quoted(_ text: String) -> String {
  let scalars = text.unicodeScalars
  let shown = scalars.prefix(60).map { scalar -> String in
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: "?"
    default: String(scalar)
    }
  }
  return "'" + shown.joined() + (shown.count < scalars.count ? "..." : "") + "'"
}
