import ArgumentParser
import InstanceNorm

/// Numbers with commas between them, one for each map or one for all.
struct NumberList: ExpressibleByArgument {
  let values: [Double]

  init?(argument: String) {
    let fields = argument.split(separator: ",", omittingEmptySubsequences: false)
    let values = fields.compactMap { Double($0) }.filter(\.isFinite)
    guard values.count == fields.count else { return nil }
    self.values = values
  }

  /// A tensor (C), of the type of the parameters of a layer for `dtype`.
  func tensor(maps: Int, for dtype: DType, option: String) throws -> Tensor {
    guard values.count == maps || values.count == 1 else {
      throw ValidationError(
        "\(option): expected \(maps) numbers, one for each map, or one for all; got \(values.count)")
    }
    let all = values.count == maps ? values : Array(repeating: values[0], count: maps)
    let tensor = try Tensor(all).to(dtype.parameterDType)
    guard try tensor.array(of: Double.self).allSatisfy(\.isFinite) else {
      throw ValidationError("\(option): a number is too large for \(tensor.dtype)")
    }
    return tensor
  }
}

extension Layout: ExpressibleByArgument {}
