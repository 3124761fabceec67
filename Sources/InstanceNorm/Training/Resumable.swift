import Operations
import Tensors

/// What can be saved in a ``Checkpoint`` and go on from one, to the bit: modules, optimizers, averages, and whatever of
/// your own a training needs.
///
///     final class Counter: Resumable {
///       var count = 0
///
///       func save(into checkpoint: inout Checkpoint, as name: String) throws {
///         try checkpoint.set(count, for: name)
///       }
///
///       func restoration(from checkpoint: Checkpoint, as name: String) throws -> () -> Void {
///         let count = try checkpoint.value(Int.self, for: name)
///         return { self.count = count }
///       }
///     }
public protocol Resumable {
  /// Adds the object's state, under names that are `name` or begin with `name` and a slash.
  func save(into checkpoint: inout Checkpoint, as name: String) throws

  /// Reads and checks the state, and gives what assigns it: all objects of a checkpoint are read before the first of
  /// them changes.
  ///
  /// - Throws: ``CheckpointError`` when it does not fit the object, which has not changed then, nor later.
  func restoration(from checkpoint: Checkpoint, as name: String) throws -> () -> Void
}

extension Module: Resumable {
  /// Adds variables and attributes, the children's too, under their names here. Modes are not part of it.
  public final func save(into checkpoint: inout Checkpoint, as name: String) throws {
    try forEachModule { path, module in
      try Self.requireVariables(of: module)
      for (key, tensor) in module.state { try checkpoint.add(tensor, as: Self.key(name, path, key)) }
    }
  }

  public final func restoration(from checkpoint: Checkpoint, as name: String) throws -> () -> Void {
    var names: [String] = []
    var assignments: [() -> Void] = []
    try forEachModule { path, module in
      try Self.requireVariables(of: module)
      for (key, current) in module.state {
        names.append(Self.key(name, path, key))
        let tensor = try checkpoint.tensor(named: Self.key(name, path, key), like: current)
        let variable = module.vars[key]
        assignments.append {
          if let variable { variable.data = tensor } else { module.setAttr(key, tensor) }
        }
      }
    }
    try checkpoint.check(only: names, of: name)
    return { for assign in assignments { assign() } }
  }

  /// What is saved of a module itself.
  private var state: [(String, Tensor)] {
    (Array(attrs) + vars.map { ($0, $1.data) }).sorted { $0.0 < $1.0 }
  }

  private static func key(_ object: String, _ path: String, _ name: String) -> String {
    "\(object)/\(join(path, name))"
  }

  private static func requireVariables(of module: Module) throws {
    if module.isLazy {
      throw CheckpointError.notReady(
        object: module.label,
        reason: "has no variables before its first call, from which it infers its number of maps")
    }
  }
}
