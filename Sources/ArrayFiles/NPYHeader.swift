import Tensors

/// The header of an .npy file: a Python dictionary such as
/// `{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3, 4, 4), }`.
struct NPYHeader: Equatable {
  var dtype: DType
  var isBigEndian: Bool
  var isFortranOrder: Bool
  var shape: [Int]

  struct Fault: Error {
    var reason: String
    var isUnsupported = false
  }

  /// - Throws: ``Fault`` unless the text is a dictionary of exactly the three keys, of a type that tensors have.
  init(parsing text: [UInt8]) throws {
    var parser = Parser(text: text)
    var descr: String?
    var fortranOrder: Bool?
    var shape: [Int]?

    try parser.expect("{")
    while !parser.accept("}") {
      let key = try parser.string()
      try parser.expect(":")
      switch key {
      case "descr" where descr == nil: descr = try parser.description()
      case "fortran_order" where fortranOrder == nil: fortranOrder = try parser.boolean()
      case "shape" where shape == nil: shape = try parser.tuple()
      case "descr", "fortran_order", "shape": throw Fault(reason: "'\(key)' stands twice")
      default: throw Fault(reason: "unknown key '\(key)'")
      }
      if !parser.accept(",") {
        try parser.expect("}")
        break
      }
    }
    try parser.expectEnd()

    guard let descr, let fortranOrder, let shape else {
      throw Fault(reason: "'descr', 'fortran_order' and 'shape' are needed")
    }
    let dtypes: [Substring: DType] = ["f2": .float16, "f4": .float32, "f8": .float64]
    guard let order = descr.first, "<>=".contains(order), let dtype = dtypes[descr.dropFirst()] else {
      throw Fault(reason: "values of type '\(descr)'; float16, float32 and float64 are", isUnsupported: true)
    }
    self.dtype = dtype
    isBigEndian = order == ">"
    isFortranOrder = fortranOrder
    self.shape = shape
  }

  /// Reads the few forms of Python literals that headers have.
  private struct Parser {
    let text: [UInt8]
    var place = 0

    mutating func skipSpace() {
      while place < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[place]) { place += 1 }
    }

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
      guard place == text.count else { throw Fault(reason: "there is more after the dictionary, at byte \(place)") }
    }

    mutating func string() throws -> String {
      guard accept("'") || accept("\"") else { throw Fault(reason: "expected a string at byte \(place)") }
      let quote = text[place - 1]
      guard let end = text[place...].firstIndex(of: quote) else { throw Fault(reason: "a string does not end") }
      defer { place = end + 1 }
      guard let string = String(validating: text[place..<end], as: UTF8.self), !string.contains("\\") else {
        throw Fault(reason: "a string is not plain text")
      }
      return string
    }

    /// The type; a list is that of a record.
    mutating func description() throws -> String {
      if accept("[") { throw Fault(reason: "records; one type of value is", isUnsupported: true) }
      return try string()
    }

    mutating func boolean() throws -> Bool {
      skipSpace()
      for (word, value) in [("True", true), ("False", false)] where text[place...].starts(with: word.utf8) {
        place += word.utf8.count
        return value
      }
      throw Fault(reason: "expected True or False at byte \(place)")
    }

    mutating func tuple() throws -> [Int] {
      try expect("(")
      var values: [Int] = []
      while !accept(")") {
        values.append(try integer())
        if !accept(",") {
          try expect(")")
          break
        }
      }
      return values
    }

    mutating func integer() throws -> Int {
      skipSpace()
      let isNegative = accept("-")
      var value = 0
      let start = place
      while place < text.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[place]) {
        let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) = tens.addingReportingOverflow(Int(text[place] - UInt8(ascii: "0")))
        if overflow || carry { throw Fault(reason: "an extent does not fit 64 bits, at byte \(start)") }
        value = sum
        place += 1
      }
      guard place > start else { throw Fault(reason: "expected a number at byte \(place)") }
      if isNegative { throw Fault(reason: "an extent is negative (-\(value))") }
      // Python 2 wrote its long integers so.
      _ = accept("L")
      return value
    }
  }
}
