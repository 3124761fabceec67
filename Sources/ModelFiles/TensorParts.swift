import ArrayFiles

/// The dictionaries of tensors in what a pickle made: a state dict, or several in a checkpoint.
struct TensorParts {
  struct Part {
    /// The keys that lead to it, joined by points; empty for the outermost dictionary.
    let name: String
    /// Keys and values in turn.
    let items: [Int]
  }

  /// Those dictionaries that have tensors of their own.
  private(set) var parts: [Part] = []
  /// What else dictionaries have under text, by the keys that lead there.
  private var others: [String: String] = [:]
  private let objects: [PickleObject]
  private var seen: Set<Int> = []

  /// What checkpoints call the weights that are to be used, the likeliest first. Averages of weights go before the
  /// weights themselves.
  private static let usual = [
    "params_ema", "g_ema", "ema", "state_dict", "model_state_dict", "params", "model", "generator", "netG", "net_g",
    "net", "network", "weights", "module",
  ]

  /// Deeper ones are passed over.
  private static let deepest = 8

  /// Bytes that ways to what is passed over may have together, since a long key may stand before each of many.
  private var left = 1 << 24
  private let path: String

  init(of root: Int, in objects: [PickleObject], path: String) throws {
    self.objects = objects
    self.path = path
    guard case .dictionary = objects[root] else {
      throw FileError.unsupported(
        path: path, reason: "expected a dictionary of tensors, as model.state_dict() gives, got \(objects[root].kind)")
    }
    others = try visit(root, "", depth: 0)
  }

  /// - Returns: what else is in a dictionary, by the keys that lead there.
  private mutating func visit(_ place: Int, _ name: String, depth: Int) throws -> [String: String] {
    guard case .dictionary(let items) = objects[place], depth < Self.deepest, seen.insert(place).inserted else {
      return [:]
    }
    var hasTensors = false
    var others: [String: String] = [:]
    for (key, value) in Self.pairs(items) {
      guard case .text(let key) = objects[key] else { continue }
      if case .tensor = objects[value] {
        hasTensors = true
        continue
      }
      let way = name.isEmpty ? key : "\(name).\(key)"
      left -= way.utf8.count
      guard left >= 0 else { throw FileError.unsupported(path: path, reason: "its dictionaries have very long keys") }
      switch objects[value] {
      case .dictionary:
        let before = parts.count
        let inner = try visit(value, way, depth: depth + 1)
        if parts.count == before {
          others[way] = objects[value].kind
        } else {
          others.merge(inner) { first, _ in first }
        }
      case let object: others[way] = object.kind
      }
    }
    if hasTensors { parts.append(Part(name: name, items: items)) }
    return others
  }

  /// What a file has beside a part, by the keys that lead there.
  func beside(_ taken: Part) -> [String: String] {
    var passedOver = others
    for part in parts where part.name != taken.name {
      guard part.name.isEmpty else {
        let hasTaken = taken.name.hasPrefix("\(part.name).")
        passedOver[part.name] = hasTaken ? "what else is in it" : "a dictionary of tensors"
        continue
      }
      for (key, value) in Self.pairs(part.items) {
        if case .text(let key) = objects[key], case .tensor = objects[value] { passedOver[key] = "a tensor" }
      }
    }
    return passedOver
  }

  static func pairs(_ items: [Int]) -> some Sequence<(Int, Int)> {
    stride(from: 0, to: items.count, by: 2).lazy.map { (items[$0], items[$0 + 1]) }
  }

  /// The part that was asked for, or that a checkpoint's usual names or the lack of another make plain.
  ///
  /// - Throws: `FileError.unsupported(path:reason:)`.
  func part(named name: String?) throws -> Part {
    let names = parts.map(\.name)
    if let name {
      guard let part = parts.first(where: { $0.name == name }) else {
        throw FileError.unsupported(
          path: path, reason: "it has no part \(quoted(name)); \(choice(of: names, for: name, "part"))")
      }
      return part
    }
    guard !parts.isEmpty else {
      throw FileError.unsupported(path: path, reason: "it has no tensor that is named in a dictionary")
    }
    for usual in Self.usual {
      let found = parts.filter { $0.name.split(separator: ".").last.map(String.init) == usual }
      if let shortest = found.min(by: { $0.name.count < $1.name.count }) { return shortest }
    }
    if parts.count == 1 { return parts[0] }
    if let outermost = parts.first(where: { $0.name.isEmpty }) { return outermost }
    let some = names.sorted().prefix(5).map(quoted).joined(separator: ", ")
    throw FileError.unsupported(
      path: path,
      reason: "it has tensors in \(names.count) parts: \(some)\(names.count > 5 ? "..." : ""); "
        + "`instnorm convert --part` (in Swift, part:) names the one to take")
  }
}
