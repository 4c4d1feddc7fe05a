package wire_test
import ("testing";"os";"sessionengine/bench";"sessionengine/bench/wire";"encoding/json")
func TestTry(t *testing.T){
 e,_:=bench.EnginesNamed("signedcookie","sealed","dbstore"); s,_:=bench.Corpus("login","cart","large-cart","oidc")
 for _,ch:=range []int{10,0}{
 tr:=wire.DefaultTrace(); tr.ChangeEvery=ch
 r,err:=wire.Measure(t.Context(),e,s,tr); if err!=nil{t.Fatal(err)}
 r.WriteText(os.Stdout)
 if ch==10 { for _,c:=range r.Cells{ if c.Session=="cart"{ b,_:=json.Marshal(c); println(string(b))}}}
 }
}
