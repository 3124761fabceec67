import InstanceNorm

/// A network whose constructor's arguments follow from a file of its weights.
public protocol SavedNetwork: Network {
  /// Makes the network that a blueprint is of. What that does not say is as usual.
  ///
  /// - Throws: `ModuleError`.
  init(_ blueprint: Blueprint) throws

  /// What the names and shapes in a file say about the network that its tensors are of; nil where they are not of one of
  /// this class.
  static func recognized(in file: StateDict) -> Blueprint?
}

extension SavedNetwork {
  /// Makes a network with the weights of a file, .safetensors or what `torch.save` wrote, in evaluation mode.
  ///
  ///     let painter = try TransformerNet(contentsOf: "mosaic.pth")
  ///
  /// What the constructor would be given (width, blocks) follows from the file. Weights of half width become float32.
  /// ``Network/notes`` say which tensors of the file were passed over.
  ///
  /// - Throws: `FileError` when the file cannot be read or lacks a tensor of such a network;
  ///   `ModuleError.variable(module:name:expected:got:)` where one has another shape.
  public init(contentsOf path: String) throws {
    let file = try StateDict(contentsOf: path)
    try self.init(Self.blueprint(for: file))
    try take(file)
  }

  /// What the file says that it is of, or is recognised as; else a usual network, whose first tensor that is missing will
  /// say what is wrong.
  static func blueprint(for file: StateDict) throws -> Blueprint {
    let name = "\(Self.self)"
    if let said = try Architecture.blueprint(saidBy: file), said.classname == name { return said }
    return recognized(in: file) ?? Blueprint(classname: name, scheme: [:])
  }
}

extension Network {
  /// Takes the weights of a file.
  func take(_ file: StateDict) throws {
    try load(file)
    evalMode()
    notes = leftOver(of: file.names)
  }

  /// Which tensors of a file are not this network's.
  private func leftOver(of names: [String]) -> [String] {
    let own = Set(namesInFiles)
    let others = names.filter { !own.contains($0) }
    let running = others.filter { name in
      ["running_mean", "running_var", "num_batches_tracked"].contains { name.hasSuffix("." + $0) }
    }
    let rest = others.filter { !running.contains($0) }
    func line(_ names: [String], _ what: String) -> String? {
      guard let first = names.first else { return nil }
      return
        "passed over: \(names.count == 1 ? "a tensor" : "\(names.count) tensors") \(what), such as '\(first.shown)'"
    }
    return [
      line(running, "of running statistics, which its normalisations do not use"),
      line(rest, "that it does not have"),
    ].compactMap { $0 }
  }
}

extension Module {
  /// What files call the variables and attributes of this module and of those that it is made of.
  fileprivate var namesInFiles: [String] {
    func join(_ path: String, _ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
    func names(_ module: Module, _ path: String) -> [String] {
      // Files have either name.
      (Array(module.vars.keys) + module.attrs.keys).flatMap { [$0, module.fileNames[$0] ?? $0] }.map { join(path, $0) }
        + module.namedChildren.flatMap { names($0.module, join(path, $0.name)) }
    }
    return names(self, name ?? "")
  }
}

// MARK: - Recognising

extension StateDict {
  /// Whether there is a tensor of this name and shape.
  func has(_ name: String, _ shape: Shape) -> Bool { entries[name]?.shape == shape }

  /// The maps of a square kernel, (outMaps, inMaps, size, size); nil where there is none of this name and size.
  func kernel(_ name: String, size: Int) -> (outMaps: Int, inMaps: Int)? {
    guard let shape = entries[name]?.shape, shape.rank == 4, shape[0] > 0, shape[1] > 0, shape[2] == size,
      shape[3] == size
    else { return nil }
    return (shape[0], shape[1])
  }

  /// How many tensors there are of names that are counted from 0.
  func count(_ name: (Int) -> String) -> Int {
    var count = 0
    while entries[name(count)] != nil { count += 1 }
    return count
  }
}
