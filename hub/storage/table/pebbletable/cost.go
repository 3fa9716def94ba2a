package pebbletable

import "github.com/channelhub/channelhub/hub/storage/table/driver"

// DynamoDB bills a row with the names of its attributes: four short ones, a
// version of 16 bytes and an expiry as a number.
const billedOverhead = 32

const (
	writeUnit = 1 << 10
	readUnit  = 4 << 10
)

func billedSize(k driver.Key, valueLen int) int {
	return len(k.PK) + len(k.SK) + valueLen + billedOverhead
}

// units counts started units, at least one: a miss is billed like a small row.
func units(size, unit int) float64 { return float64(max(1, (size+unit-1)/unit)) }

func readCost(size int) driver.Cost { return driver.Cost{ReadUnits: units(size, readUnit)} }

// commitCost counts each op as a commit of its own, by the larger of the row it meets and the row it
// leaves. found is the billed size of the row met, 0 when there was none or
// when an op without a condition did not look.
func commitCost(ops []driver.Op, found []int) driver.Cost {
	var c driver.Cost
	for i, o := range ops {
		size := found[i]
		if o.Kind == driver.OpPut {
			size = max(size, billedSize(o.Key, len(o.Value)))
		}
		c.WriteUnits += units(size, writeUnit)
	}
	return c
}
