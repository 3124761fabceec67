import Operations
import Tensors

extension Module {
  /// A table of the module and all that it is made of: what each layer is, the shape of its result and how many numbers
  /// it trains.
  ///
  ///     print(try model.summary(for: [1, 3, 256, 256]))
  ///
  /// - Parameter shape: of the data.
  /// - Throws: ``ModuleError`` when a layer does not take what comes to it.
  public final func summary(for shape: Shape) throws -> String {
    var rows = [["name", "layer", "output", "parameters"]]
    _ = try summarize(name ?? "", shape, into: &rows)
    rows.append(["", "", "", "\(numOfParams)"])
    let widths = (0..<4).map { column in rows.map { $0[column].count }.max() ?? 0 }
    func line(_ row: [String]) -> String {
      let cells = row.enumerated().map { column, text in
        let space = String(repeating: " ", count: widths[column] - text.count)
        return column == 3 ? space + text : text + space
      }
      return cells.joined(separator: "  ")
    }
    let rule = String(repeating: "-", count: widths.reduce(6, +))
    return ([line(rows[0]), rule] + rows[1..<(rows.count - 1)].map(line) + [rule, line(rows[rows.count - 1])])
      .joined(separator: "\n")
  }

  /// Adds the rows of this module, or of its children where data goes through these one after another.
  ///
  /// - Returns: the shape of the result.
  private func summarize(_ path: String, _ shape: Shape, into rows: inout [[String]]) throws -> Shape {
    guard self is Sequential else {
      try checkDataShape(shape)
      let result = try dataShape(from: shape)
      rows.append([path, className, "\(result)", isLazy ? "from the first data" : "\(numOfParams)"])
      return result
    }
    var shape = shape
    for (name, child) in namedChildren { shape = try child.summarize(Self.join(path, name), shape, into: &rows) }
    return shape
  }
}
