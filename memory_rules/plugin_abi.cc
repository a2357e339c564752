#include "memory_rules/plugin_abi.h"

#include <elf.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace palimpsest {
namespace {

constexpr char kSymbol[] = "kPalimpsestPluginAbi";

// The i-th T of a table in the file, if the file has it.
template <typename T>
std::optional<T> At(const std::string& file, uint64_t table, uint64_t i = 0) {
  const uint64_t size = file.size();
  if (table > size || i >= (size - table) / sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, file.data() + table + i * sizeof(T), sizeof(T));
  return value;
}

absl::StatusOr<std::string> Contents(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error))
    return absl::InvalidArgumentError("is not a file");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat("cannot be opened: ", std::strerror(errno)));
  return std::string{std::istreambuf_iterator<char>(in), {}};
}

absl::StatusOr<Elf64_Ehdr> SharedObject(const std::string& file) {
  const auto header = At<Elf64_Ehdr>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
    return absl::InvalidArgumentError("is not a shared object, as g++ -shared makes it");
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64)
    return absl::InvalidArgumentError("is for another kind of machine");
  if (header->e_type != ET_DYN)
    return absl::InvalidArgumentError("is an object or a program, not a shared object");
  return *header;
}

// The address of a symbol that is defined and exported.
std::optional<uint64_t> AddressOf(const std::string& file, const Elf64_Ehdr& header) {
  const std::string_view named(kSymbol, sizeof(kSymbol));  // With the zero at its end.
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto section = At<Elf64_Shdr>(file, header.e_shoff, i);
    if (!section || section->sh_type != SHT_DYNSYM) continue;
    const auto names = At<Elf64_Shdr>(file, header.e_shoff, section->sh_link);
    for (uint64_t j = 0; names && j < section->sh_size / sizeof(Elf64_Sym); ++j) {
      const auto symbol = At<Elf64_Sym>(file, section->sh_offset, j);
      if (!symbol) break;
      const uint64_t name = names->sh_offset + symbol->st_name;
      if (symbol->st_shndx != SHN_UNDEF && name < file.size() &&
          std::string_view(file).substr(name, sizeof(kSymbol)) == named)
        return symbol->st_value;
    }
  }
  return std::nullopt;
}

// What the file puts at an address.
std::optional<int32_t> NumberAt(const std::string& file, const Elf64_Ehdr& header,
                                uint64_t address) {
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    const auto part = At<Elf64_Phdr>(file, header.e_phoff, i);
    if (!part || part->p_type != PT_LOAD || address < part->p_vaddr) continue;
    const uint64_t within = address - part->p_vaddr;
    if (within < part->p_filesz) return At<int32_t>(file, part->p_offset + within);
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<int32_t> ReadPluginAbi(const std::string& path) {
  const absl::StatusOr<std::string> file = Contents(path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<Elf64_Ehdr> header = SharedObject(*file);
  if (!header.ok()) return header.status();
  const std::optional<uint64_t> address = AddressOf(*file, *header);
  const std::optional<int32_t> abi =
      address ? NumberAt(*file, *header, *address) : std::optional<int32_t>();
  if (abi) return *abi;
  return absl::InvalidArgumentError(absl::StrCat("is no plugin of memory rules: it has no ",
                                                 kSymbol,
                                                 ", which comes with memory_rules/registry.h"));
}

}  // namespace palimpsest
