import Operations
import Tensors

extension Blueprint.Argument {
  init(_ pair: RowsAndColumns) {
    self = pair.rows == pair.columns ? .int(pair.rows) : .ints([pair.rows, pair.columns])
  }

  init(_ margins: Margins) {
    if margins == Margins(margins.top) {
      self = .int(margins.top)
    } else if margins == Margins(rows: margins.top, columns: margins.left) {
      self = .ints([margins.top, margins.left])
    } else {
      self = .ints([margins.top, margins.left, margins.bottom, margins.right])
    }
  }
}

extension Blueprint {
  public func int(_ name: String) throws -> Int {
    if case .int(let value) = scheme[name] { return value }
    throw wrong(name, "a whole number")
  }

  public func double(_ name: String) throws -> Double {
    switch scheme[name] {
    case .double(let value): return value
    case .int(let value): return Double(value)
    default: throw wrong(name, "a number")
    }
  }

  public func bool(_ name: String) throws -> Bool {
    if case .bool(let value) = scheme[name] { return value }
    throw wrong(name, "true or false")
  }

  /// nil for null, or where there is none.
  public func string(_ name: String) throws -> String? {
    switch scheme[name] {
    case .string(let value): return value
    case .null, nil: return nil
    default: throw wrong(name, "a string or null")
    }
  }

  /// nil for null, or where there is none.
  public func optionalStrings(_ name: String) throws -> [String]? {
    switch scheme[name] {
    case .strings(let values): return values
    // JSON does not tell of what an empty list is one.
    case .ints([]): return []
    case .null, nil: return nil
    default: throw wrong(name, "a list of strings, or null")
    }
  }

  /// nil for null, or where there is none.
  public func optionalInt(_ name: String) throws -> Int? {
    switch scheme[name] {
    case .null, nil: nil
    default: try int(name)
    }
  }

  /// nil for null, or where there is none.
  public func optionalBool(_ name: String) throws -> Bool? {
    switch scheme[name] {
    case .null, nil: nil
    default: try bool(name)
    }
  }

  /// A whole number, or one of rows and one of columns.
  ///
  /// - Parameter usual: where there is none; nil to throw then.
  func rowsAndColumns(_ name: String, or usual: RowsAndColumns? = nil) throws -> RowsAndColumns {
    switch scheme[name] {
    case .int(let both): return RowsAndColumns(both)
    case .ints(let numbers) where numbers.count == 2: return RowsAndColumns(numbers[0], numbers[1])
    case nil: if let usual { return usual }
    default: break
    }
    throw wrong(name, "a whole number or [rows, columns]")
  }

  /// The same, or those of all edges.
  func margins(_ name: String, or usual: Margins? = nil) throws -> Margins {
    switch scheme[name] {
    case .int(let all): return Margins(all)
    case .ints(let numbers) where numbers.count == 2: return Margins(rows: numbers[0], columns: numbers[1])
    case .ints(let numbers) where numbers.count == 4:
      return Margins(top: numbers[0], left: numbers[1], bottom: numbers[2], right: numbers[3])
    case nil: if let usual { return usual }
    default: break
    }
    throw wrong(name, "a whole number, [rows, columns] or [top, left, bottom, right]")
  }

  /// One of some names.
  func choice<Choice>(_ name: String, of choices: [String: Choice]) throws -> Choice {
    if case .string(let value) = scheme[name], let choice = choices[value] { return choice }
    throw wrong(name, choices.keys.sorted().joined(separator: ", "))
  }

  /// - Parameter usual: where there is none.
  package func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: String, or usual: Choice
  ) throws -> Choice {
    if scheme[name] == nil { return usual }
    return try choice(name, of: Dictionary(uniqueKeysWithValues: Choice.allCases.map { ($0.rawValue, $0) }))
  }

  func int(_ name: String, or usual: Int) throws -> Int { scheme[name] == nil ? usual : try int(name) }
  func double(_ name: String, or usual: Double) throws -> Double { scheme[name] == nil ? usual : try double(name) }
  func bool(_ name: String, or usual: Bool) throws -> Bool { scheme[name] == nil ? usual : try bool(name) }

  private func wrong(_ name: String, _ expected: String) -> ModuleError {
    let got = scheme[name].map { "\($0)" } ?? "nothing"
    return .blueprint(reason: "\(classname): argument '\(name)': expected \(expected), got \(got)")
  }
}
