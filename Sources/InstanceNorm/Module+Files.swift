import ArrayFiles
import Tensors

// Files hold variables under PyTorch's names, so that a state dict goes either way: `norm1.weight` is the scale of
// the module named `norm1`. A module without a name has no prefix.

extension Module {
  /// Writes the variables and attributes to a .safetensors file. An existing one is replaced only when all is
  /// written.
  ///
  /// - Throws: `FileError.notWritten(path:reason:)`.
  public final func save(to path: String) throws {
    var tensors: [String: Tensor] = [:]
    for (name, tensor) in attrs { tensors[filePrefix + name] = tensor }
    for (name, variable) in vars {
      let name = filePrefix + (fileNames[name] ?? name)
      guard tensors.updateValue(variable.data, forKey: name) == nil else {
        throw FileError.notWritten(path: path, reason: "\(className) has two tensors for the name '\(name)'")
      }
    }
    try SafetensorsFile.write(tensors, metadata: ["format": "pt"], to: path)
  }

  /// Reads the variables and attributes from a .safetensors file, converted to the types they have here.
  ///
  /// A variable is found under PyTorch's name or its own (`weight` or `scale`). Other tensors in the file do not
  /// matter, so that a layer finds its own in a whole network's file.
  ///
  /// - Throws: `FileError` when the file is malformed or lacks a tensor,
  ///   ``ModuleError/variable(module:name:expected:got:)`` when one has another shape. Then nothing has changed.
  public final func load(from path: String) throws {
    let file = try SafetensorsFile(contentsOf: path)

    func read(_ name: String, like current: Tensor) throws -> Tensor {
      let names = [fileNames[name], name].compactMap { $0 }.map { filePrefix + $0 }
      let tensor = try file.tensor(named: names.first { file.entries[$0] != nil } ?? names[0])
      guard tensor.shape == current.shape else {
        throw ModuleError.variable(
          module: className, name: name, expected: "shape \(current.shape)", got: "\(tensor.shape) in \(path)")
      }
      return try tensor.to(current.dtype).to(current.device)
    }
    let newVars = try vars.sorted { $0.key < $1.key }.map { ($1, try read($0, like: $1.data)) }
    let newAttrs = try attrs.map { ($0, try read($0, like: $1)) }
    for (variable, tensor) in newVars { variable.data = tensor }
    for (name, tensor) in newAttrs { setAttr(name, tensor) }
  }

  private var filePrefix: String { name.map { $0 + "." } ?? "" }
}
