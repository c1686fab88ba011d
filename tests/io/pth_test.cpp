// .pth files built byte by byte: what torch writes is read, everything else is refused and never executed.
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "builders.h"
#include "io/pth.h"
#include "io/tensor_file.h"

namespace wan {
namespace {

namespace p = test::pickle;
using test::open_refusal;
using test::pth;
using test::ZipEntrySpec;
using test::ZipForm;
using ::testing::HasSubstr;

const std::string kSixFloats = test::raw<float>({0, 1, 2, 3, 4, 5});

std::string six_floats() { return p::storage("FloatStorage", "0", 6); }
std::string matrix() { return p::tensor(six_floats(), 0, {2, 3}, {3, 1}); }
std::string holding(const std::string& value) { return p::program(p::dict({p::text("w"), value})); }
std::string good() { return pth(holding(matrix()), {kSixFloats}); }

TensorFile opened(const std::string& bytes) {
  const test::TemporaryFolder folder;  // the mapping outlives the name
  test::write_file(folder / "file.pth", bytes);
  return TensorFile::open(folder / "file.pth");
}

std::string refusal_of(const std::string& value) { return open_refusal(pth(holding(value), {kSixFloats})); }
std::string program_refusal(const std::string& body) { return open_refusal(pth(p::program(body), {kSixFloats})); }

float element(const TensorView& view, std::initializer_list<int64_t> at) {
  int64_t offset = 0;
  int axis = 0;
  for (int64_t i : at) offset += i * view.stride(axis++);
  return view.as<float>()[offset];
}

class PthForms : public ::testing::TestWithParam<ZipForm> {};

TEST_P(PthForms, SharedAndStridedStoragesAreRead) {
  const TensorFile file = opened(pth(p::program(p::dict({
                                         p::text("whole"), matrix(),                                                  //
                                         p::text("transposed"), p::tensor(six_floats(), 0, {3, 2}, {1, 3}),           //
                                         p::text("column"), p::tensor(six_floats(), 1, {2}, {3}),                     //
                                         p::text("last"), p::tensor(six_floats(), 5, {}, {}),                         //
                                         p::text("empty"), p::tensor(six_floats(), 6, {0, 3}, {3, 1}),                //
                                         p::text("expanded"), p::tensor(six_floats(), 4, {2, 3}, {0, 0}),             //
                                         p::text("ones"), p::tensor(six_floats(), 2, {1, 4}, {99, 1}),                //
                                         p::text("half"), p::tensor(p::storage("HalfStorage", "1", 2), 1, {1}, {1}),  //
                                     })),
                                     {kSixFloats, test::raw<uint16_t>({0x3c00, 0xc000})}, GetParam()));
  ASSERT_EQ(file.tensors().size(), 8u);
  EXPECT_TRUE(file.at("whole").contiguous);
  EXPECT_EQ(element(file.view("whole"), {1, 2}), 5.0f);
  EXPECT_FALSE(file.at("transposed").contiguous);
  EXPECT_EQ(element(file.view("transposed"), {2, 1}), 5.0f);
  EXPECT_EQ(element(file.view("transposed"), {1, 0}), 1.0f);
  EXPECT_EQ(element(file.view("column"), {1}), 4.0f);
  EXPECT_EQ(element(file.view("last"), {}), 5.0f);
  EXPECT_EQ(file.at("empty").shape.count(), 0);
  EXPECT_EQ(element(file.view("expanded"), {1, 2}), 4.0f);
  EXPECT_TRUE(file.at("ones").contiguous) << "the stride of an axis of one element does not matter";
  EXPECT_TRUE(file.view("ones").is_contiguous());
  EXPECT_EQ(file.at("half").dtype, DType::kF16);
  uint16_t bits = 0;
  std::memcpy(&bits, file.view("half").data, 2);
  EXPECT_EQ(bits, 0xc000);
}

INSTANTIATE_TEST_SUITE_P(Zip, PthForms, ::testing::Values(ZipForm::kPlain, ZipForm::kZip64),
                         [](const auto& form) { return form.param == ZipForm::kPlain ? "Plain" : "Zip64"; });

TEST(Pth, EveryStorageTypeIsRead) {
  const std::vector<std::pair<const char*, DType>> types = {
      {"FloatStorage", DType::kF32},  {"HalfStorage", DType::kF16}, {"BFloat16Storage", DType::kBF16},
      {"DoubleStorage", DType::kF64}, {"LongStorage", DType::kI64}, {"IntStorage", DType::kI32},
      {"ShortStorage", DType::kI16},  {"CharStorage", DType::kI8},  {"ByteStorage", DType::kU8},
      {"BoolStorage", DType::kBool}};
  for (const auto& [name, dtype] : types) {
    const auto count = static_cast<int64_t>(24 / size_of(dtype));
    const TensorFile file =
        opened(pth(holding(p::tensor(p::storage(name, "0", count), 0, {count}, {1})), {kSixFloats}));
    EXPECT_EQ(file.at("w").dtype, dtype) << name;
    EXPECT_EQ(file.at("w").bytes(), 24u) << name;
  }
}

TEST(Pth, OrderedDictsParametersAndWrappersAreRead) {
  const std::string ordered = p::global("collections", "OrderedDict") + ")R(" + p::text("w") + matrix() + "u";
  const std::string with_state = ordered + p::dict({p::text("_metadata"), p::dict({})}) + "b";
  EXPECT_EQ(opened(pth(p::program(with_state), {kSixFloats})).tensors().size(), 1u);
  const std::string hooks = p::global("collections", "OrderedDict") + ")R";
  const std::string parameter =
      p::global("torch._utils", "_rebuild_parameter") + p::tuple({matrix(), "\x88", hooks}) + "R";
  EXPECT_EQ(opened(pth(holding(parameter), {kSixFloats})).at("w").shape, (Shape{2, 3}));
  for (const char* key : {"state_dict", "model", "module"}) {
    const std::string nested = p::dict({p::text("epoch"), p::integer(3), p::text(key), with_state});
    EXPECT_EQ(opened(pth(p::program(nested), {kSixFloats})).tensors().size(), 1u) << key;
  }
}

TEST(Pth, ATensorAloneIsRead) {
  const TensorFile file = opened(pth(p::program(p::tensor(six_floats(), 0, {3, 2}, {1, 3})), {kSixFloats}));
  ASSERT_EQ(file.tensors().size(), 1u);
  EXPECT_EQ(file.at(kLoneTensor).shape, Shape({3, 2}));
  EXPECT_EQ(element(file.view(kLoneTensor), {2, 1}), 5.0f);
  EXPECT_THAT(program_refusal(p::tensor(six_floats(), 1, {3, 2}, {1, 3})), HasSubstr("reaches beyond"));
}

TEST(Pth, NewerOpcodesAreRead) {
  // protocol 4: FRAME, MEMOIZE, SHORT_BINUNICODE, STACK_GLOBAL, BINGET, LONG1, TUPLE1..3, SETITEM
  const auto small = [](std::string_view text) { return "\x8c" + test::little(text.size(), 1) + std::string(text); };
  const std::string id = "(" + small("storage") + small("torch") + small("FloatStorage") + "\x93" + small("0") +
                         small("cpu") + "\x8a\x01\x06t\x94Q";
  const std::string body = std::string("\x80\x04\x95", 3) + test::little(10, 8) + "}" + small("w") +
                           small("torch._utils") + small("_rebuild_tensor_v2") + "\x93(" + id + std::string("K\0", 2) +
                           "K\x06\x85K\x01\x85\x89}tRs.";
  EXPECT_EQ(opened(pth(body, {kSixFloats})).at("w").shape, Shape{6});
}

TEST(Pth, EveryTruncationIsRefused) {
  const std::string whole = good();
  EXPECT_EQ(opened(whole).tensors().size(), 1u);
  for (size_t length = 0; length < whole.size(); ++length) open_refusal(whole.substr(0, length));
}

TEST(Pth, EveryTruncatedPickleIsRefused) {
  const std::string program = holding(matrix());
  for (size_t length = 0; length < program.size(); ++length) open_refusal(pth(program.substr(0, length), {kSixFloats}));
}

TEST(Pth, EverySingleByteChangeIsReadOrRefused) {
  const std::string whole = good();
  int refused = 0;
  const test::TemporaryFolder folder;
  for (size_t i = 0; i < whole.size(); ++i)
    for (int change : {0x01, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ change);
      test::write_file(folder / "file", damaged);
      try {
        const TensorFile file = TensorFile::open(folder / "file");
        for (const StoredTensor& tensor : file.tensors())
          EXPECT_LE(tensor.offset + tensor.bytes(), file.files()[0].bytes().size());
      } catch (const Error&) {
        ++refused;
      }
    }
  EXPECT_GT(refused, 300);
}

TEST(Pth, ForbiddenGlobalsAreRefusedByName) {
  const test::TemporaryFolder folder;
  const std::string command = "touch " + (folder / "executed").string();
  EXPECT_THAT(program_refusal(p::global("os", "system") + p::tuple({p::text(command)}) + "R"),
              HasSubstr("'os.system'"));
  EXPECT_THAT(program_refusal(p::text("os") + p::text("system") + "\x93" + p::tuple({p::text(command)}) + "R"),
              HasSubstr("'os.system'"));
  EXPECT_THAT(refusal_of(p::global("builtins", "eval")), HasSubstr("'builtins.eval'"));
  EXPECT_THAT(refusal_of(p::global("torch", "load")), HasSubstr("'torch.load'"));
  EXPECT_THAT(refusal_of(p::global("torch._utils", "FloatStorage")), HasSubstr("refused"));
  EXPECT_THAT(refusal_of(p::global("collections.OrderedDict", "")), HasSubstr("refused"));
  EXPECT_THAT(program_refusal(p::integer(1) + p::text("system") + "\x93"), HasSubstr("no string"));
  EXPECT_FALSE(std::filesystem::exists(folder / "executed"));
}

TEST(Pth, OpcodesOffTheListAreRefused) {
  // INST, OBJ, NEWOBJ, NEWOBJ_EX, REDUCE's kin, EXT1, PERSID, text-mode integers and strings, BYTEARRAY8, NEXT_BUFFER,
  // sets
  for (const std::string opcode : {"i", "o", "\x81", "\x92", "\x82", "P",    "I",    "S",    "V", "L", "F", "p",
                                   "g", "d", "l",    "\x96", "\x97", "\x8f", "\x90", "\x91", "B", "C", "U", "T"})
    EXPECT_THAT(program_refusal(p::dict({}) + opcode + "0\n0\n"), HasSubstr("opcode 0x")) << opcode;
}

TEST(Pth, OnlyTheKnownFunctionsAreCalled) {
  EXPECT_THAT(refusal_of(p::global("torch", "FloatStorage") + ")R"), HasSubstr("called"));
  EXPECT_THAT(refusal_of(p::text("x") + ")R"), HasSubstr("called"));
  EXPECT_THAT(refusal_of(p::global("collections", "OrderedDict") + p::integer(1) + "R"), HasSubstr("no tuple"));
  EXPECT_THAT(refusal_of(p::global("collections", "OrderedDict") + p::tuple({p::integer(1)}) + "R"),
              HasSubstr("with arguments"));
  EXPECT_THAT(refusal_of(p::global("torch._utils", "_rebuild_tensor_v2") + ")R"), HasSubstr("six or seven"));
  EXPECT_THAT(refusal_of(p::global("torch._utils", "_rebuild_parameter") + p::numbers({1, 2, 3}) + "R"),
              HasSubstr("without a tensor"));
  EXPECT_THAT(refusal_of(p::text("x") + p::dict({}) + "b"), HasSubstr("no dict"));
}

TEST(Pth, StackAbuseIsRefused) {
  for (const std::string body :
       {"0", "t", "u", "s", "R", "b", "Q", "2", "a", "e", "1", "}u", "}(Nu", "N(", "NN", "(0", "}(s", "\x85", "q\x01"})
    EXPECT_FALSE(program_refusal(body).empty()) << body;
  EXPECT_THAT(program_refusal("h\x05"), HasSubstr("memo"));
  EXPECT_THAT(program_refusal("j\xff\xff\xff\xff"), HasSubstr("memo"));
  EXPECT_THAT(program_refusal("\x80\x09"), HasSubstr("protocol"));
  EXPECT_THAT(program_refusal("X\xff\xff\xff\xff"), HasSubstr("longer than"));
  EXPECT_THAT(program_refusal("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), HasSubstr("longer than"));
  EXPECT_THAT(program_refusal("\x8b\xff\xff\xff\x7f"), HasSubstr("64 bits"));
}

TEST(Pth, HugeCountsAreRefused) {
  EXPECT_THAT(program_refusal(std::string((1 << 20) + 8, '(')), HasSubstr("marks"));
  EXPECT_THAT(program_refusal(std::string((1 << 20) + 8, 'N')), HasSubstr("stack"));
  EXPECT_THAT(program_refusal(std::string((1 << 20) + 8, ']')), HasSubstr("values"));
  std::string nested = "N";
  for (int i = 0; i < 100'000; ++i) nested += '\x85';
  EXPECT_THAT(program_refusal(nested), HasSubstr("dict of tensors"));
}

TEST(Pth, CyclesAreHarmless) {
  // a dict that holds itself, a tuple reached through itself
  EXPECT_THAT(program_refusal("}q\x01" + p::text("w") + "h\x01s"), HasSubstr("not a tensor"));
  EXPECT_THAT(program_refusal("}q\x01" + p::text("model") + "h\x01s"), HasSubstr("not a tensor"));
  EXPECT_THAT(program_refusal("]q\x01h\x01" + std::string("a")), HasSubstr("dict of tensors"));
}

TEST(Pth, TensorsMustLieInTheirStorage) {
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), 0, {7}, {1})), HasSubstr("beyond its storage"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), 1, {2, 3}, {3, 1})), HasSubstr("beyond its storage"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), 0, {2}, {6})), HasSubstr("beyond its storage"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), 6, {1}, {1})), HasSubstr("beyond its storage"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), 7, {0}, {1})), HasSubstr("beyond its storage"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), 0, {2, 2}, {INT64_MAX, INT64_MAX})), HasSubstr("beyond its storage"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), INT64_MAX, {2}, {INT64_MAX})), HasSubstr("beyond its storage"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), -1, {1}, {1})), HasSubstr("no count"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), 0, {-1}, {1})), HasSubstr("counts"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), 0, {1}, {-1})), HasSubstr("counts"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), 0, {INT64_MAX, 16}, {0, 0})), HasSubstr("overflows"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), 0, {int64_t{1} << 50}, {0})),
              HasSubstr("more elements than the file"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), 0, {1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1})),
              HasSubstr("6 axes"));
  EXPECT_THAT(refusal_of(p::tensor(six_floats(), 0, {2}, {1, 1})), HasSubstr("different lengths"));
}

TEST(Pth, StoragesMustBeWhatTheArchiveHolds) {
  EXPECT_THAT(refusal_of(p::tensor(p::storage("FloatStorage", "0", 7), 0, {1}, {1})), HasSubstr("claims 7"));
  EXPECT_THAT(refusal_of(p::tensor(p::storage("HalfStorage", "0", 6), 0, {1}, {1})), HasSubstr("24 bytes"));
  EXPECT_THAT(refusal_of(p::tensor(p::storage("DoubleStorage", "0", INT64_MAX), 0, {1}, {1})), HasSubstr("claims"));
  EXPECT_THAT(refusal_of(p::tensor(p::storage("FloatStorage", "9", 6), 0, {1}, {1})),
              HasSubstr("no entry 'archive/data/9'"));
  EXPECT_THAT(refusal_of(p::tensor(p::storage("FloatStorage", "../data/0", 6), 0, {1}, {1})), HasSubstr("no entry"));
  EXPECT_THAT(refusal_of(p::tensor(p::storage("FloatStorage", "/etc/passwd", 6), 0, {1}, {1})), HasSubstr("no entry"));
  EXPECT_THAT(refusal_of(p::tensor(p::text("storage"), 0, {1}, {1})), HasSubstr("persistent id"));
  EXPECT_THAT(refusal_of(p::tensor(p::text("storage") + "Q", 0, {1}, {1})), HasSubstr("no tuple"));
  const auto id = [](const std::string& kind, const std::string& type) {
    return p::tuple({p::text(kind), type, p::text("0"), p::text("cpu"), p::integer(6)}) + "Q";
  };
  EXPECT_THAT(refusal_of(p::tensor(id("module", p::global("torch", "FloatStorage")), 0, {1}, {1})),
              HasSubstr("no storage"));
  EXPECT_THAT(refusal_of(p::tensor(id("storage", p::text("FloatStorage")), 0, {1}, {1})), HasSubstr("element type"));
}

TEST(Pth, OtherThanTensorsAreRefused) {
  EXPECT_THAT(program_refusal("N"), HasSubstr("dict of tensors"));
  EXPECT_THAT(refusal_of(p::integer(3)), HasSubstr("tensor 'w': not a tensor"));
  EXPECT_THAT(program_refusal(p::dict({p::integer(1), matrix()})), HasSubstr("no string"));
  EXPECT_THAT(program_refusal(p::dict({p::text("w"), matrix(), p::text("w"), matrix()})), HasSubstr("twice"));
}

TEST(PthZip, LyingArchivesAreRefused) {
  const ZipEntrySpec data{"archive/data/0", kSixFloats};
  const ZipEntrySpec program{"archive/data.pkl", holding(matrix())};
  const auto refused = [&](const std::vector<ZipEntrySpec>& entries, ZipForm form = ZipForm::kPlain) {
    return open_refusal(test::zip(entries, form));
  };
  EXPECT_THAT(refused({data}), HasSubstr("without data.pkl"));
  EXPECT_THAT(refused({program, {"other/data.pkl", "x"}, data}), HasSubstr("several data.pkl"));
  EXPECT_THAT(refused({program, data, data}), HasSubstr("twice"));
  EXPECT_THAT(refused({program, {"archive/data/0", kSixFloats, 8}}), HasSubstr("compressed"));
  EXPECT_THAT(refused({program, {"archive/data/0", kSixFloats, 0, 1}}), HasSubstr("encrypted"));
  EXPECT_THAT(refused({program, data, {"archive/byteorder", "big"}}), HasSubstr("little-endian"));
  EXPECT_THAT(refused({program, {"archive/data/0", kSixFloats, 0, 0, -1, -1, "archive/data/1"}}),
              HasSubstr("local header"));
  for (ZipForm form : {ZipForm::kPlain, ZipForm::kZip64}) {
    EXPECT_FALSE(refused({program, {"archive/data/0", kSixFloats, 0, 0, 1 << 20}}, form).empty());
    EXPECT_FALSE(refused({program, {"archive/data/0", kSixFloats, 0, 0, -1, 1 << 20}}, form).empty());
    EXPECT_FALSE(refused({program, {"archive/data/0", kSixFloats, 0, 0, -1, 7}}, form).empty());
  }
  EXPECT_FALSE(refused({program, {"archive/data/0", kSixFloats, 0, 0, INT64_MAX}}, ZipForm::kZip64).empty());
  EXPECT_FALSE(refused({program, {"archive/data/0", kSixFloats, 0, 0, -1, INT64_MAX}}, ZipForm::kZip64).empty());
}

TEST(PthZip, OverlappingStoragesAreRefused) {
  // the second entry's data begin inside the first's, behind a local header hidden in it
  const std::string inner_name = "archive/data/1";
  const std::string inner = "PK\x03\x04" + test::little(0, 22) + test::little(inner_name.size(), 2) +
                            test::little(0, 2) + inner_name + "12345678";
  const std::string body = p::program(
      p::dict({p::text("a"), p::tensor(p::storage("ByteStorage", "0", static_cast<int64_t>(inner.size())), 0, {1}, {1}),
               p::text("b"), p::tensor(p::storage("ByteStorage", "1", 8), 0, {8}, {1})}));
  std::vector<ZipEntrySpec> entries = {
      {"archive/data/0", inner}, {"archive/data.pkl", body}, {inner_name, "x", 0, 0, 8, 64}};
  EXPECT_THAT(open_refusal(test::zip(entries)), HasSubstr("overlap"));
}

TEST(PthZip, LyingEndRecordsAreRefused) {
  const auto patched = [](ZipForm form, std::string_view signature, size_t at, const std::string& value) {
    std::string bytes = pth(holding(matrix()), {kSixFloats}, form);
    const size_t record = bytes.rfind(signature);
    EXPECT_NE(record, std::string::npos);
    bytes.replace(record + at, value.size(), value);
    return bytes;
  };
  const std::string all = test::little(UINT64_MAX, 8);
  const auto plain = [&](size_t at, const std::string& value) {
    return open_refusal(patched(ZipForm::kPlain, "PK\x05\x06", at, value));
  };
  EXPECT_THAT(plain(10, test::little(100, 2)), HasSubstr("disks"));
  EXPECT_THAT(plain(8, test::little(100, 2) + test::little(100, 2)), HasSubstr("more entries"));
  EXPECT_THAT(plain(12, test::little(0x7fffffff, 4)), HasSubstr("outside"));
  EXPECT_THAT(plain(16, test::little(0x7fffffff, 4)), HasSubstr("outside"));
  EXPECT_THAT(plain(16, test::little(0xffffffff, 4)), HasSubstr("ZIP64 locator"));
  EXPECT_THAT(plain(20, test::little(5, 2)), HasSubstr("no end record"));
  const auto locator = [&](size_t at, const std::string& value) {
    return open_refusal(patched(ZipForm::kZip64, "PK\x06\x07", at, value));
  };
  EXPECT_THAT(locator(8, all), HasSubstr("outside"));
  EXPECT_THAT(locator(8, test::little(0, 8)), HasSubstr("no ZIP64 end record"));
  const auto end64 = [&](size_t at, const std::string& value) {
    return open_refusal(patched(ZipForm::kZip64, "PK\x06\x06", at, value));
  };
  EXPECT_THAT(end64(24, all + all), HasSubstr("more entries"));
  EXPECT_THAT(end64(32, all), HasSubstr("disks"));
  EXPECT_THAT(end64(40, all), HasSubstr("outside"));
  EXPECT_THAT(end64(48, all), HasSubstr("outside"));
}

/// Types that torch got later have storages of bytes, and name themselves in the call.
std::string typed_tensor(const std::string& storage, const std::string& type) {
  const std::string hooks = p::global("collections", "OrderedDict") + ")R";
  return p::global("torch._utils", "_rebuild_tensor_v3") +
         p::tuple({storage, p::integer(1), p::numbers({2, 2}), p::numbers({2, 1}), "\x89", hooks, type}) + "R";
}

std::string bytes_storage(int64_t bytes) {
  return p::tuple({p::text("storage"), p::global("torch.storage", "UntypedStorage"), p::text("0"), p::text("cpu"),
                   p::integer(bytes)}) +
         "Q";
}

TEST(Pth, Float8IsRead) {
  const std::string bytes("\x00\x38\x40\xb8\x7e", 5);
  const auto read = [&](const std::string& value) { return opened(pth(holding(value), {bytes})); };
  for (const auto& [name, dtype] :
       {std::pair{"float8_e4m3fn", DType::kF8E4M3}, std::pair{"float8_e5m2", DType::kF8E5M2},
        std::pair{"float8_e8m0fnu", DType::kF8E8M0}}) {
    const TensorFile file = read(typed_tensor(bytes_storage(5), p::global("torch", name)));
    EXPECT_EQ(file.at("w").dtype, dtype);
    EXPECT_EQ(file.at("w").shape, (Shape{2, 2}));
    EXPECT_EQ(static_cast<const uint8_t*>(file.view("w").data)[0], 0x38);
  }
  const TensorFile older = read(p::tensor(p::storage("Float8_e4m3fnStorage", "0", 5), 1, {2, 2}, {2, 1}));
  EXPECT_EQ(older.at("w").dtype, DType::kF8E4M3);
}

TEST(Pth, Float8ThatIsNotWholeIsRefused) {
  const auto refusal = [&](const std::string& value) { return open_refusal(pth(holding(value), {"12345"})); };
  const std::string type = p::global("torch", "float8_e4m3fn");
  EXPECT_THAT(refusal(typed_tensor(bytes_storage(6), type)), HasSubstr("the archive's entry has 5 bytes"));
  EXPECT_THAT(refusal(typed_tensor(p::storage("FloatStorage", "0", 5), type)), HasSubstr("storage"));
  EXPECT_THAT(open_refusal(pth(holding(typed_tensor(bytes_storage(4), type)), {"1234"})), HasSubstr("reaches beyond"));
  EXPECT_THAT(refusal(typed_tensor(bytes_storage(5), p::text("float8_e4m3fn"))), HasSubstr("seventh argument"));
  EXPECT_THAT(refusal(typed_tensor(bytes_storage(5), p::global("torch", "complex64"))), HasSubstr("complex64"));
}

}  // namespace
}  // namespace wan
