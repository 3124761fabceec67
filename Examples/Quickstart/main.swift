import InstanceNorm

let (batchsize, maps, h, w) = (5, 3, 4, 4)
let data = try Tensor.randomNormal([batchsize, maps, h, w], seed: 1).to(.default)
let instNorm2d = try InstanceNorm2D(numOfMaps: maps)
try instNorm2d.to(data.device)
let out = try instNorm2d(data)

print("\(instNorm2d) on \(out.device)")
print("The first map of the first picture:")
print(try Tensor(data.array(of: Float.self).prefix(h * w).map { $0 }, shape: [h, w]))
print("Normalised:")
print(try Tensor(out.array(of: Float.self).prefix(h * w).map { $0 }, shape: [h, w]))
