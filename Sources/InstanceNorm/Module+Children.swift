import Operations
import Synchronization
import Tensors

extension Module {
  /// The modules that this one is made of.
  public final var children: [Module] { namedChildren.map(\.module) }

  /// This module's variables and, after them, its children's, under their full names: `block.norm1.scale`.
  public final var variables: [(name: String, variable: Variable)] {
    var found: [(name: String, variable: Variable)] = []
    forEachModule { path, module in
      found += module.vars.sorted { $0.key < $1.key }.map { (Self.join(path, $0), $1) }
    }
    return found
  }

  /// Calls `body` with this module, its children and theirs, and what they are called: `block.norm1`; this one's own
  /// name, which may be none, first.
  final func forEachModule(_ body: (_ path: String, _ module: Module) throws -> Void) rethrows {
    func visit(_ path: String, _ module: Module) throws {
      try body(path, module)
      for (name, child) in module.namedChildren { try visit(Self.join(path, name), child) }
    }
    try visit(name ?? "", self)
  }

  /// This module, its children and theirs.
  final var allModules: [Module] {
    var found: [Module] = []
    forEachModule { found.append($1) }
    return found
  }

  static func join(_ path: String, _ name: String) -> String {
    path.isEmpty ? name : "\(path).\(name)"
  }

  /// Those that a module's properties hold.
  static func childrenFound(in module: Module) -> [(name: String, module: Module)] {
    var found: [(name: String, module: Module)] = []
    func add(_ value: Any, _ name: String) {
      if let child = value as? Module {
        found.append((child.name ?? name, child))
        return
      }
      let mirror = Mirror(reflecting: value)
      switch mirror.displayStyle {
      case .optional:
        for child in mirror.children { add(child.value, name) }
      case .collection:
        for (index, child) in mirror.children.enumerated() where child.value is Module {
          add(child.value, join(name, "\(index)"))
        }
      default: break
      }
    }
    var levels: [Mirror] = []
    var level: Mirror? = Mirror(reflecting: module)
    while let mirror = level, mirror.subjectType != Module.self {
      levels.append(mirror)
      level = mirror.superclassMirror
    }
    // Those of a parent class first.
    for mirror in levels.reversed() {
      for property in mirror.children {
        guard var label = property.label else { continue }
        if label.hasPrefix("$__lazy_storage_$_") { label.removeFirst("$__lazy_storage_$_".count) }
        add(property.value, label)
      }
    }
    return found
  }

  // MARK: Numbers

  /// Sets all gradients that there are to zero.
  public final func zeroGradParams() throws {
    for (_, variable) in variables { try variable.grad?.fill(with: 0) }
  }

  /// One step down the gradients: `data -= learnRate grad`, of what is in training mode, not frozen, and has one.
  /// (PuzzleLib's adds, and its losses give negated gradients.)
  public final func updateParams(learnRate: Double) throws {
    for (_, variable) in variables where variable.isReached {
      if let grad = variable.grad { try variable.data.combine(-learnRate, grad) }
    }
  }

  /// How many numbers are trained.
  public final var numOfParams: Int {
    variables.reduce(0) { $0 + $1.variable.data.count }
  }

  /// How much memory they take, without their gradients.
  public final func paramSize(unit: MemoryUnit = .bytes) -> Double {
    Double(variables.reduce(0) { $0 + $1.variable.data.byteCount }) / Double(unit.rawValue)
  }

  /// Whether this module or one that it is made of is in training mode.
  final var reachesVariables: Bool { train || descendants.anyIsInTraining(of: self) }
}

/// The modules that one is made of, and theirs, once they are known.
final class Descendants {
  private let found = Locked<[Module]?>(nil)
  /// Whether it is known that there are none, for whoever asks at every call.
  private let areNone = Atomic<Bool>(false)

  func anyIsInTraining(of module: Module) -> Bool {
    if areNone.load(ordering: .relaxed) { return false }
    let all = all(of: module)
    if all.isEmpty { areNone.store(true, ordering: .relaxed) }
    return all.contains(where: \.train)
  }

  func all(of module: Module) -> [Module] {
    found.withLock { found in
      if let found { return found }
      let all = Array(module.allModules.dropFirst())
      found = all
      return all
    }
  }

  func forget() {
    areNone.store(false, ordering: .relaxed)
    found.withLock { $0 = nil }
  }
}

/// What memory is counted in.
public enum MemoryUnit: Int, Sendable {
  case bytes = 1
  /// 1024 bytes.
  case kib = 1024
  /// 1024 KiB.
  case mib = 1_048_576
}
