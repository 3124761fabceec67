import ArrayFiles
import Operations
import Tensors

// Files hold variables under PyTorch's names, so that a state dict goes either way: `norm1.weight` is the scale of
// the module named `norm1`, `block.norm1.weight` where that is in one named `block`. A module without a name has no
// prefix; one without a name among several has its number.

extension Module {
  /// Writes variables and attributes, the children's too, to a .safetensors file. An existing one is replaced only when
  /// all is written.
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
    try SafetensorsFile.write(tensors, wholeNumbers: wholeNumbers, metadata: ["format": "pt"], to: path)
  }

  /// Reads variables and attributes, the children's too, from a .safetensors file, converted to the types they have
  /// here.
  ///
  /// A variable is found under PyTorch's name or its own (`weight` or `scale`). Other tensors in the file do not
  /// matter, so that a layer finds its own in a whole network's file. A layer whose number of maps is to be inferred
  /// takes the file's.
  ///
  /// - Throws: `FileError` when the file is malformed or lacks a tensor,
  ///   ``ModuleError/variable(module:name:expected:got:)`` when one has another shape. Then nothing has changed.
  public final func load(from path: String) throws {
    let file = try SafetensorsFile(contentsOf: path)
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
          let found = nameInFile(name)
          func fault(_ expected: String) -> FileError {
            .unsupported(path: path, reason: "'\(found)': expected \(expected)")
          }
          let isCount = module.countAttrs.contains(name)
          if isCount, file.entries[found] == nil {
            return try Tensor(repeating: 0, shape: current.shape, dtype: current.dtype)
          }
          if !isCount, file.entries[found]?.dtype == "I64" {
            throw fault("floating point values, got whole numbers (I64)")
          }
          let tensor = try file.tensor(named: found)
          if isCount, let odd = try tensor.array(of: Double.self).first(where: { !isCountable($0) }) {
            throw fault("a whole number, 0 or more, got \(odd)")
          }
          guard tensor.shape == current.shape else {
            throw ModuleError.variable(
              module: module.label, name: name, expected: "shape \(current.shape)",
              got: "\(tensor.shape) in \(path)")
          }
          return try tensor.to(current.dtype).to(current.device)
        }
        if module.isLazy {
          initialized.append(module)
          try module.initialize {
            let name = nameInFile($0)
            guard let entry = file.entries[name] else {
              throw FileError.missingTensor(path: path, name: name, available: file.names)
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

private func isCountable(_ value: Double) -> Bool { value >= 0 && Int(exactly: value) != nil }
