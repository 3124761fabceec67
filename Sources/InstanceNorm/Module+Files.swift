import ArrayFiles
import ModelFiles
import Operations
import Tensors

// Files hold variables under PyTorch's names, so that a state dict goes either way: `norm1.weight` is the scale of
// the module named `norm1`, `block.norm1.weight` where that is in one named `block`. A module without a name has no
// prefix; one without a name among several has its number.

extension Module {
  /// Writes variables and attributes, the children's too, to a .safetensors file, with the ``blueprint`` beside them, so
  /// that ``Blueprint/load(from:with:)`` makes the module again. An existing file is replaced only when all is written.
  ///
  /// - Throws: `FileError.notWritten(path:reason:)`.
  public final func save(to path: String) throws {
    var tensors: [String: Tensor] = [:]
    var wholeNumbers: Set<String> = []
    try forEachModule { prefix, module in
      if module.isLazy {
        throw FileError.notWritten(path: path, reason: "\(module.label) has no variables before its first call")
      }
      for (name, tensor) in Array(module.attrs) + module.vars.map({ ($0, $1.data) }) {
        let isWhole = module.countAttrs.contains(name)
        let name = Self.join(prefix, module.fileNames[name] ?? name)
        if isWhole { wholeNumbers.insert(name) }
        guard tensors.updateValue(tensor, forKey: name) == nil else {
          throw FileError.notWritten(path: path, reason: "\(label) has two tensors for the name '\(name)'")
        }
      }
    }
    var metadata = ["format": "pt"]
    metadata[Blueprint.metadataKey] = try? blueprint.json()
    try SafetensorsFile.write(tensors, wholeNumbers: wholeNumbers, metadata: metadata, to: path)
  }

  /// Reads variables and attributes, the children's too, from a .safetensors file or one that `torch.save` wrote (.pth),
  /// converted to the types they have here.
  ///
  /// A variable is found under PyTorch's name or its own (`weight` or `scale`). Other tensors in the file do not
  /// matter, so that a layer finds its own in a whole network's file, except that a layer made with `affine: false` or
  /// `useBias: false` takes no file with what it has not. A layer whose number of maps is to be inferred takes the file's. A count
  /// (`num_batches_tracked`) is of any type, and 0 where the file has none.
  ///
  /// - Throws: `FileError` when the file is malformed, lacks a tensor or has a value that the type here does not hold,
  ///   ``ModuleError/variable(module:name:expected:got:)`` when one has another shape or may not be there. Then nothing
  ///   has changed.
  public final func load(from path: String) throws { try load(StateDict(contentsOf: path)) }

  /// As ``load(from:)``, of a file that is open already.
  public final func load(_ file: StateDict) throws {
    var initialized: [Module] = []
    var assignments: [() -> Void] = []
    do {
      try forEachModule { prefix, module in
        /// What the file calls a tensor: the first of its names that is there, else the one that should be.
        func nameInFile(_ name: String) -> String {
          let names = [module.fileNames[name], name].compactMap { $0 }.map { Self.join(prefix, $0) }
          return names.first { file.entries[$0] != nil } ?? names[0]
        }
        func read(_ name: String, like current: Tensor) throws -> Tensor {
          try FileTensor(nameInFile(name), in: file, isCount: module.countAttrs.contains(name)).values(
            like: current, of: module, name)
        }
        try module.check(agreesWith: file, nameInFile)
        if module.isLazy {
          initialized.append(module)
          try module.initialize {
            let name = nameInFile($0)
            guard let entry = file.entries[name] else {
              throw FileError.missingTensor(path: file.path, name: name, available: file.names)
            }
            return entry.shape
          }
        }
        for (name, variable) in module.vars.sorted(by: { $0.key < $1.key }) {
          let tensor = try read(name, like: variable.data)
          assignments.append { variable.data = tensor }
        }
        for (name, current) in module.attrs.sorted(by: { $0.key < $1.key }) {
          let tensor = try read(name, like: current)
          assignments.append { module.setAttr(name, tensor) }
        }
      }
    } catch {
      for module in initialized { module.uninitialize() }
      throw error
    }
    for assign in assignments { assign() }
  }
}

extension Module {
  /// Refuses a file that has variables for a module made without, or none for one made with them: either is a mistake
  /// that would be seen in results alone.
  private func check(agreesWith file: StateDict, _ nameInFile: (String) -> String) throws {
    if let name = varsLeftOut.first(where: { file.entries[nameInFile($0)] != nil }) {
      throw ModuleError.variable(
        module: label, name: name,
        expected: "none in \(file.path.shown), as the layer is made with `\(howVarsAreLeftOut)`",
        got: "'\(nameInFile(name))'")
    }
    let wanted = varsToLeaveOut.map(nameInFile)
    if let first = wanted.first, wanted.allSatisfy({ file.entries[$0] == nil }) {
      let both = wanted.map { "'\($0)'" }.joined(separator: " and ")
      throw ModuleError.variable(
        module: label, name: varsToLeaveOut[0],
        expected: "\(both) in \(file.path.shown), or a layer made with `\(howVarsAreLeftOut)`",
        got: "none; \(choice(of: file.names, for: first, "tensor"))")
    }
  }
}

/// A tensor as a file has it, for a place in a module.
private struct FileTensor {
  private let name: String
  private let file: StateDict
  private let isCount: Bool

  init(_ name: String, in file: StateDict, isCount: Bool) {
    (self.name, self.file, self.isCount) = (name, file, isCount)
  }

  /// The values, of the shape, type and device of those that they replace.
  func values(like current: Tensor, of module: Module, _ variable: String) throws -> Tensor {
    if isCount { return try count(like: current) }
    if file.entries[name]?.isOfWholeNumbers == true {
      throw fault("expected floating point values, got whole numbers (\(file.entries[name]?.dtype ?? ""))")
    }
    let tensor = try file.tensor(named: name)
    guard tensor.shape == current.shape else {
      throw ModuleError.variable(
        module: module.label, name: variable, expected: "shape \(current.shape)",
        got: "\(tensor.shape) in \(file.path.shown)")
    }
    let values = try tensor.to(current.dtype)
    if tensor.dtype == .float64, current.dtype != .float64 {
      for (value, converted) in try zip(tensor.array(of: Double.self), values.array(of: Double.self))
      where value.isFinite && !converted.isFinite {
        throw fault("\(value) is more than \(current.dtype) holds")
      }
    }
    return try values.to(current.device)
  }

  /// A count is bookkeeping: one that is missing is 0, and a whole number or a file of halves, in which a large one is
  /// infinite, are as good as another.
  private func count(like current: Tensor) throws -> Tensor {
    guard let entry = file.entries[name] else {
      return try Tensor(repeating: 0, shape: current.shape, dtype: current.dtype)
    }
    guard try entry.shape.elementCount() == 1 else { throw fault("expected one number, got shape \(entry.shape)") }
    let value = try file.tensor(named: name).array(of: Double.self)[0]
    guard value >= 0 else { throw fault("expected a number of 0 or more, got \(value)") }
    // Every whole number up to here is a float64.
    let number = min(value, 0x1p53).rounded(.down)
    return try Tensor(repeating: number, shape: current.shape, dtype: current.dtype)
  }

  private func fault(_ reason: String) -> FileError { .unsupported(path: file.path, reason: "'\(name)': \(reason)") }
}
