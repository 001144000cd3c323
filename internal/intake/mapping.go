package intake

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ParseMap reads the value of --map: column=header pairs with commas between them, such as
//
//	asset_id=Asset ID,display_name="Name, new"
//
// A header that holds a comma, a quote or outer spaces stands in double quotes, a quote inside it doubled. An equals sign
// needs no quoting: a column never holds one, so the first one ends the column.
func ParseMap(text string) (map[string]string, error) {
	mapping := map[string]string{}
	for rest := text; ; {
		name, after, found := strings.Cut(rest, "=")
		if !found {
			return nil, fmt.Errorf("%s in the mapping has no equals sign: write column=header, such as asset_id=Asset ID", quote(rest))
		}
		col, err := mapColumn(name, mapping)
		if err != nil {
			return nil, err
		}
		header, next, err := mapHeader(after)
		if err != nil {
			return nil, fmt.Errorf("mapping of %s: %w", col, err)
		}
		mapping[col.String()] = header
		if next == "" {
			return mapping, nil
		}
		rest = next[1:] // the comma
	}
}

// FormatMap writes a mapping as ParseMap reads it, columns in their documented order.
func FormatMap(mapping map[string]string) string {
	var pairs []string
	for _, name := range Columns() {
		header, ok := mapping[name]
		if !ok {
			continue
		}
		if strings.ContainsAny(header, `,"`) || trim(header) != header {
			header = `"` + strings.ReplaceAll(header, `"`, `""`) + `"`
		}
		pairs = append(pairs, name+"="+header)
	}
	return strings.Join(pairs, ",")
}

func mapColumn(name string, mapping map[string]string) (column, error) {
	col := columnNamed(name)
	if col == colNone {
		return col, fmt.Errorf("the mapping names the column %s, which relabel does not read: use one of %s "+
			"(a header with a comma goes in double quotes)", quote(name), strings.Join(Columns(), ", "))
	}
	if _, twice := mapping[col.String()]; twice {
		return col, fmt.Errorf("the mapping names %s twice: keep one", col)
	}
	return col, nil
}

// mapHeader reads one header, bare or quoted, and returns what follows: nothing, or a comma and more.
func mapHeader(text string) (header, rest string, err error) {
	text = strings.TrimLeft(text, " ")
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexByte(text, ',')
		if end < 0 {
			end = len(text)
		}
		header, rest = trim(text[:end]), text[end:]
		if strings.Contains(header, `"`) {
			return "", "", errors.New(`a quote inside an unquoted header: put the header in double quotes and double the quote`)
		}
	} else if header, rest, err = quotedHeader(text); err != nil {
		return "", "", err
	}
	if trim(header) == "" {
		return "", "", errors.New("no header after the equals sign: write column=header")
	}
	return header, rest, nil
}

func quotedHeader(text string) (header, rest string, err error) {
	end := closingQuote(text, 1)
	if end < 0 {
		return "", "", errors.New("the header's double quote is never closed: close it")
	}
	header = strings.ReplaceAll(text[1:end], `""`, `"`)
	rest = strings.TrimLeft(text[end+1:], " ")
	if rest != "" && rest[0] != ',' {
		return "", "", fmt.Errorf("%s follows the closing quote: put a comma there, or double a quote that belongs to the header", quote(rest))
	}
	return header, rest, nil
}

// mappedColumns checks a mapping that did not come through ParseMap (one kept with a batch).
func mappedColumns(mapping map[string]string) (map[column]string, error) {
	mapped := make(map[column]string, len(mapping))
	for name, header := range mapping {
		if !slices.Contains(Columns(), name) {
			return nil, fmt.Errorf("the mapping names the column %s, which relabel does not read: use one of %s",
				quote(name), strings.Join(Columns(), ", "))
		}
		mapped[columnNamed(name)] = trim(header)
	}
	return mapped, nil
}
